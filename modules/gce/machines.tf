locals {
  # Machines from the fourth generation on (C4A, N4) take Hyperdisks alone.
  disk_types = {
    for kind, type in var.settings.types : kind => lookup(
      var.settings.disks, kind, can(regex("^[a-z]+[4-9]", type)) ? "hyperdisk-balanced" : "pd-balanced"
    )
  }

  # JSON is YAML too, so cloud-init takes it; Debian's own image for GCE has none, and there the startup script does the
  # same, by Python's JSON alone.
  user_data = {
    for group in toset(concat(values(var.machines)[*].group, values(var.pools)[*].group)) :
    group => "#cloud-config\n${jsonencode(yamldecode(file("${path.module}/user-data/${group}.yaml")))}"
  }
}

# What etcd knows outlives its machine.
resource "google_compute_disk" "etcd" {
  #checkov:skip=CKV_GCP_37:a customer-supplied key would be in Terraform's state; Google encrypts, by providers.gce.kms_key where given
  for_each = { for name, machine in var.machines : name => machine if machine.etcd }

  name   = "${var.cluster}-${each.key}-etcd"
  zone   = local.machine_zones[each.key]
  type   = local.disk_types["${each.value.size}-${each.value.arch}"]
  size   = var.etcd_disk
  labels = { anywhere-name = each.key }

  dynamic "disk_encryption_key" {
    for_each = compact([var.settings.kms_key])

    content {
      kms_key_self_link = disk_encryption_key.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

# Also while a machine is made anew, nobody else gets its address.
resource "google_compute_address" "machine" {
  for_each = var.machines

  name         = "${var.cluster}-${each.key}"
  address_type = "INTERNAL"
  subnetwork   = local.subnetworks["machines"]
  address      = split("/", each.value.address)[0]
}

resource "google_compute_instance" "machine" {
  #checkov:skip=CKV_GCP_38:a customer-supplied key would be in Terraform's state; Google encrypts, by providers.gce.kms_key where given
  for_each = var.machines

  name                      = "${var.cluster}-${each.key}"
  zone                      = local.machine_zones[each.key]
  machine_type              = var.settings.types["${each.value.size}-${each.value.arch}"]
  allow_stopping_for_update = true
  desired_status            = "RUNNING" # one that was stopped shows as a difference, and is started again with its data

  metadata = {
    user-data                  = local.user_data[each.value.group]
    startup-script             = file("${path.module}/startup-script")
    enable-oslogin             = "TRUE"
    block-project-ssh-keys     = "TRUE"
    serial-port-logging-enable = "TRUE"
    anywhere-cluster           = var.cluster
    anywhere-documents         = google_storage_bucket.documents.name
    anywhere-name              = each.key
  }

  labels = {
    anywhere-name  = each.key
    anywhere-role  = each.value.role
    anywhere-group = each.value.group
  }

  boot_disk {
    kms_key_self_link = var.settings.kms_key

    initialize_params {
      image  = var.base_images[each.value.arch]
      type   = local.disk_types["${each.value.size}-${each.value.arch}"]
      size   = each.value.disk
      labels = local.labels
    }
  }

  # The machine sees it as /dev/disk/by-id/google-etcd.
  dynamic "attached_disk" {
    for_each = each.value.etcd ? ["etcd"] : []

    content {
      source      = google_compute_disk.etcd[each.key].id
      device_name = attached_disk.value
    }
  }

  # No access_config: no address that the internet could reach.
  network_interface {
    subnetwork = local.subnetworks["machines"]
    network_ip = google_compute_address.machine[each.key].address
  }

  # What the account may do is decided by IAM, not by scopes.
  service_account {
    email  = local.accounts[each.value.role]
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  # It finds its documents and a way to them from its first boot on.
  depends_on = [
    google_storage_bucket_object.document,
    google_storage_bucket_object.archive,
    google_secret_manager_secret_version.document,
    google_storage_bucket_iam_member.documents,
    google_secret_manager_secret_iam_member.documents,
    google_storage_managed_folder_iam_member.store,
    google_compute_router_nat.nat,
    google_compute_firewall.https_out,
    google_compute_firewall.traffic,
    google_compute_firewall.traffic_out,
  ]

  lifecycle {
    # These are what a machine starts as. Running machines converge to a new release; they are not made anew for it, and
    # neither for another size of disk.
    ignore_changes = [
      boot_disk[0].initialize_params[0].size,
      boot_disk[0].initialize_params[0].image,
      boot_disk[0].initialize_params[0].labels,
      metadata["user-data"],
      metadata["startup-script"],
    ]
  }
}
