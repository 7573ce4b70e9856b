# What new workers start as. A new template leaves the running ones alone: they converge in place.
resource "google_compute_region_instance_template" "pool" {
  for_each = var.pools

  # A prefix may have 37 characters; what comes after it makes the name unique.
  name_prefix  = "${substr("${var.cluster}-${each.value.group}", 0, 36)}-"
  machine_type = var.settings.types["${each.value.size}-${each.value.arch}"]
  labels       = { anywhere-role = "worker", anywhere-group = each.value.group }

  metadata = {
    user-data                  = local.user_data[each.value.group]
    startup-script             = file("${path.module}/startup-script")
    enable-oslogin             = "TRUE"
    block-project-ssh-keys     = "TRUE"
    serial-port-logging-enable = "TRUE"
    anywhere-cluster           = var.cluster
    anywhere-documents         = google_storage_bucket.documents.name
  }

  disk {
    boot         = true
    auto_delete  = true
    source_image = var.base_images[each.value.arch]
    disk_type    = local.disk_types["${each.value.size}-${each.value.arch}"]
    disk_size_gb = each.value.disk
    labels       = local.labels

    dynamic "disk_encryption_key" {
      for_each = compact([var.settings.kms_key])

      content {
        kms_key_self_link = disk_encryption_key.value
      }
    }
  }

  network_interface {
    subnetwork = local.subnetworks["workers"]
  }

  service_account {
    email  = local.accounts["worker"]
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  # A spot machine that Google takes away is deleted: the pool makes another as soon as it can.
  scheduling {
    provisioning_model          = each.value.spot ? "SPOT" : "STANDARD"
    preemptible                 = each.value.spot
    automatic_restart           = !each.value.spot
    on_host_maintenance         = each.value.spot ? "TERMINATE" : null
    instance_termination_action = each.value.spot ? "DELETE" : null
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Nothing here grows with the number of workers, and none of them is known to Terraform.
resource "google_compute_region_instance_group_manager" "pool" {
  for_each = var.pools

  name                             = "${var.cluster}-${each.value.group}"
  base_instance_name               = "${var.cluster}-${each.value.group}"
  distribution_policy_zones        = local.pool_zones[each.key]
  distribution_policy_target_shape = "BALANCED" # over the zones, but a zone without room stops nobody

  # Where min and max are the count, as they are unless the definition says otherwise, that is the size. Else it is the
  # autoscaler's, and Terraform leaves it as it is.
  target_size = each.value.min == each.value.max ? each.value.count : null

  # `anywhere apply` waits until workers are Ready, and says which are not and why.
  wait_for_instances = false

  version {
    instance_template = google_compute_region_instance_template.pool[each.key].id
  }

  update_policy {
    type                         = "OPPORTUNISTIC"
    minimal_action               = "REPLACE"
    instance_redistribution_type = "NONE" # a worker is not ended only for zones to be even

    # Compute takes no two zeros, and no number between 0 and that of the zones. It counts only for an update that a
    # person starts: new workers come before old ones go.
    max_surge_fixed       = length(local.pool_zones[each.key])
    max_unavailable_fixed = 0
  }

  # Google makes a worker anew that is gone by itself. One whose kubelet is silent for five minutes is replaced too.
  auto_healing_policies {
    health_check      = google_compute_region_health_check.worker[0].id
    initial_delay_sec = 1800 # the first boot installs packages and loads images
  }

  instance_lifecycle_policy {
    force_update_on_repair = "YES"
  }

  # In a network that was there, Google could give a worker the fixed address of a machine that is not there yet.
  depends_on = [
    google_compute_address.machine,
    google_storage_bucket_object.document,
    google_storage_bucket_object.archive,
    google_secret_manager_secret_version.document,
    google_storage_bucket_iam_member.documents,
    google_secret_manager_secret_iam_member.documents,
    google_compute_router_nat.nat,
    google_compute_firewall.https_out,
    google_compute_firewall.traffic,
    google_compute_firewall.traffic_out,
    google_compute_firewall.outside,
  ]
}

resource "google_compute_region_autoscaler" "pool" {
  for_each = { for name, pool in var.pools : name => pool if pool.min != pool.max }

  name   = "${var.cluster}-${each.value.group}"
  target = google_compute_region_instance_group_manager.pool[each.key].id

  autoscaling_policy {
    min_replicas    = each.value.min
    max_replicas    = each.value.max
    cooldown_period = 300 # seconds in which a new worker's load says nothing yet

    cpu_utilization {
      target = 0.6
    }

    # Pods of a worker that goes must find room elsewhere, so one goes at a time.
    scale_in_control {
      time_window_sec = 600

      max_scaled_in_replicas {
        fixed = 1
      }
    }
  }
}

resource "google_compute_region_health_check" "worker" {
  count = length(var.pools) > 0 ? 1 : 0

  name                = "${var.cluster}-worker"
  check_interval_sec  = 30
  timeout_sec         = 10
  unhealthy_threshold = 10

  tcp_health_check {
    port = 10250
  }

  log_config {
    enable = true
  }
}
