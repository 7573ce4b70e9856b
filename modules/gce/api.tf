locals {
  api_machine = one([for name, machine in var.machines : name if machine.api])

  masters      = { for name, machine in var.machines : name => machine if machine.role == "master" }
  master_zones = var.settings.load_balancer ? toset([for name in keys(local.masters) : local.machine_zones[name]]) : []
}

# The way to the API from outside, for those whom the definition names. It passes packets on with the addresses of who
# sent them, so that the masters' firewall decides.
resource "google_compute_address" "api" {
  count = var.settings.load_balancer ? 1 : 0

  name = "${var.cluster}-api"
}

resource "google_compute_forwarding_rule" "api" {
  count = var.settings.load_balancer ? 1 : 0

  name                  = "${var.cluster}-api"
  load_balancing_scheme = "EXTERNAL"
  ip_address            = google_compute_address.api[0].address # as Google says it: a URL would be a difference
  ip_protocol           = "TCP"
  ports                 = ["6443"]
  backend_service       = google_compute_region_backend_service.api[0].id
}

resource "google_compute_region_backend_service" "api" {
  count = var.settings.load_balancer ? 1 : 0

  name                            = "${var.cluster}-api"
  load_balancing_scheme           = "EXTERNAL"
  protocol                        = "TCP"
  health_checks                   = [google_compute_region_health_check.api[0].id]
  connection_draining_timeout_sec = 60

  dynamic "backend" {
    for_each = google_compute_instance_group.api

    content {
      group          = backend.value.id
      balancing_mode = "CONNECTION"
    }
  }

  log_config {
    enable = true
  }
}

resource "google_compute_instance_group" "api" {
  for_each = local.master_zones

  name    = "${var.cluster}-api-${each.key}"
  zone    = each.key
  network = local.network
  instances = [
    for name in keys(local.masters) : google_compute_instance.machine[name].self_link
    if local.machine_zones[name] == each.key
  ]
}

resource "google_compute_region_health_check" "api" {
  count = var.settings.load_balancer ? 1 : 0

  name               = "${var.cluster}-api"
  check_interval_sec = 10

  tcp_health_check {
    port = 6443
  }

  log_config {
    enable = true
  }
}
