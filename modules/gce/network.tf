# Machines have private addresses alone. An existing network is used as it is: its routes, NAT and flow logs are its
# owner's.
locals {
  own_network = var.settings.network == null
  host        = local.own_network ? var.settings.project : var.settings.network.project # who owns the network
  network = (
    local.own_network
    ? google_compute_network.cluster[0].id
    : "projects/${local.host}/global/networks/${var.settings.network.name}"
  )

  # By who stands in it.
  subnetworks = {
    for who in ["machines", "workers"] : who => (
      local.own_network
      ? google_compute_subnetwork.cluster[who].id
      : "projects/${local.host}/regions/${var.settings.region}/subnetworks/${var.settings.network.subnetwork}"
    )
  }

  # Where each fixed machine stands: a zone that came later moves none. Some zones may lack a pool's machine type.
  spread        = slice(var.settings.zones, 0, coalesce(var.settings.spread, length(var.settings.zones)))
  machine_zones = { for name, machine in var.machines : name => element(local.spread, machine.number - 1) }
  pool_zones    = { for pool in keys(var.pools) : pool => lookup(var.settings.pool_zones, pool, var.settings.zones) }
}

resource "google_compute_network" "cluster" {
  count = local.own_network ? 1 : 0

  name                    = var.cluster
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"
}

# The first eighth of the addresses is for fixed machines, as on every target; workers have the second half. So a worker
# never has the address of a master that comes later.
resource "google_compute_subnetwork" "cluster" {
  for_each = local.own_network ? {
    machines = cidrsubnet(var.network.machines, 3, 0)
    workers  = cidrsubnet(var.network.machines, 1, 1)
  } : {}

  name                     = "${var.cluster}-${each.key}"
  network                  = local.network
  ip_cidr_range            = each.value
  private_ip_google_access = true # the way to documents and secrets, with NAT or without

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "nat" {
  count = local.own_network && var.settings.nat == "one" ? 1 : 0

  name    = "${var.cluster}-nat"
  network = local.network
}

# Of the region, not of a zone, so one is enough.
resource "google_compute_router_nat" "nat" {
  count = length(google_compute_router.nat)

  name                                = "${var.cluster}-nat"
  router                              = google_compute_router.nat[0].name
  nat_ip_allocate_option              = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat  = "ALL_SUBNETWORKS_ALL_IP_RANGES"
  enable_dynamic_port_allocation      = true # a worker that pulls many images needs more than the 64 of a fixed share
  enable_endpoint_independent_mapping = false

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
