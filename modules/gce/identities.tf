# What a machine may do follows from its role, which is its service account: whom it may talk with, what it may read.
locals {
  roles      = toset(concat(values(var.machines)[*].role, [for pool in var.pools : "worker"]))
  etcd_roles = toset([for machine in var.machines : machine.role if machine.etcd])
  ssh        = length(var.ssh_keys) > 0

  # An account's name has 30 characters at most, and a cluster's may have as many.
  account_prefix = (
    length(var.cluster) <= 23 ? var.cluster : "${substr(var.cluster, 0, 14)}-${substr(sha256(var.cluster), 0, 8)}"
  )

  # Who may begin a connection to whom. Under weave the control plane talks inside the overlay, so only weave shows.
  weave = {
    weave = { from = local.roles, to = local.roles, allow = { tcp = ["6783"], udp = ["6783-6784"], esp = null } }
  }
  flannel = {
    flannel      = { from = local.roles, to = local.roles, allow = { udp = [var.network.encryption ? "51820-51821" : "8472"] } }
    etcd-clients = { from = ["master"], to = local.etcd_roles, allow = { tcp = ["2379"] } }
    etcd-members = { from = local.etcd_roles, to = local.etcd_roles, allow = { tcp = ["2379-2380"] } }
    api-server   = { from = local.roles, to = ["master"], allow = { tcp = ["6443"] } }
    kubelet      = { from = ["master"], to = setsubtract(local.roles, ["etcd"]), allow = { tcp = ["10250"] } }
  }
  traffic = { weave = local.weave, flannel = local.flannel }[var.network.driver]

  # Who may come from outside: those whom the definition names, and Google's own probes and ssh tunnel, whose addresses
  # are the same for everyone.
  outside = merge(
    { admin = { from = var.settings.admin_cidrs, to = ["master"], port = "6443" } },
    var.settings.load_balancer ? {
      probe-api = { from = ["35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"], to = ["master"], port = "6443" }
    } : {},
    length(var.pools) > 0 ? {
      probe-workers = { from = ["35.191.0.0/16", "130.211.0.0/22"], to = ["worker"], port = "10250" }
    } : {},
    local.ssh ? { ssh = { from = ["35.235.240.0/20"], to = local.roles, port = "22" } } : {},
  )
}

resource "google_service_account" "role" {
  for_each = local.roles

  account_id   = "${local.account_prefix}-${each.key}"
  display_name = "${each.key} machines of cluster ${var.cluster}"
}

locals {
  accounts = { for role, account in google_service_account.role : role => account.email }
}

resource "google_compute_firewall" "traffic" {
  for_each = local.traffic

  name                    = "${var.cluster}-${each.key}"
  description             = "${each.key} from ${join(", ", each.value.from)}"
  project                 = local.host
  network                 = local.network
  direction               = "INGRESS"
  source_service_accounts = [for role in each.value.from : local.accounts[role]]
  target_service_accounts = [for role in each.value.to : local.accounts[role]]

  dynamic "allow" {
    for_each = each.value.allow

    content {
      protocol = allow.key
      ports    = allow.value
    }
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

# What goes out can be told apart by address only.
resource "google_compute_firewall" "traffic_out" {
  for_each = local.traffic

  name                    = "${var.cluster}-${each.key}-out"
  description             = "${each.key} to ${join(", ", each.value.to)}"
  project                 = local.host
  network                 = local.network
  direction               = "EGRESS"
  target_service_accounts = [for role in each.value.from : local.accounts[role]]
  destination_ranges      = [var.network.machines]

  dynamic "allow" {
    for_each = each.value.allow

    content {
      protocol = allow.key
      ports    = allow.value
    }
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "outside" {
  for_each = local.outside

  name                    = "${var.cluster}-${each.key}"
  description             = "${each.key} from outside"
  project                 = local.host
  network                 = local.network
  direction               = "INGRESS"
  source_ranges           = each.value.from
  target_service_accounts = [for role in each.value.to : local.accounts[role]]

  allow {
    protocol = "tcp"
    ports    = [each.value.port]
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

# HTTPS alone: documents, secrets, and the registries that pods' images come from have no fixed addresses. Without NAT
# it is Google's APIs that are reached, and nothing else.
resource "google_compute_firewall" "https_out" {
  name                    = "${var.cluster}-https-out"
  description             = "HTTPS to Google and image registries"
  project                 = local.host
  network                 = local.network
  direction               = "EGRESS"
  target_service_accounts = values(local.accounts)
  destination_ranges      = ["0.0.0.0/0"]

  allow {
    protocol = "tcp"
    ports    = ["443"]
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

# Nothing else, either way; also where an existing network is more generous, as Google's default one is (65534).
resource "google_compute_firewall" "nothing" {
  for_each = toset(["INGRESS", "EGRESS"])

  name                    = "${var.cluster}-nothing-${each.key == "INGRESS" ? "in" : "out"}"
  description             = "Nothing but what other rules allow"
  project                 = local.host
  network                 = local.network
  direction               = each.key
  priority                = 60000
  source_ranges           = each.key == "INGRESS" ? ["0.0.0.0/0"] : null
  destination_ranges      = each.key == "EGRESS" ? ["0.0.0.0/0"] : null
  target_service_accounts = values(local.accounts)

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

# A role reads its own documents, by name, and nothing else of the project. A condition takes up to 12 operators, and a
# role up to 20 conditions.
locals {
  readable = {
    for role in local.roles : role => sort([
      for key, document in merge(var.documents, var.archives) : key if contains(document.roles, role)
    ])
  }
  readings = merge([
    for role, keys in local.readable : {
      for number, some in chunklist(keys, 12) : "${role}-${number + 1}" => { role = role, keys = some }
    }
  ]...)

  secret_readings = merge([
    for component, document in var.secret_documents : {
      for role in setintersection(document.roles, local.roles) :
      "${role}-${component}" => { role = role, component = component }
    }
  ]...)
}

resource "google_storage_bucket_iam_member" "documents" {
  for_each = local.readings

  bucket = google_storage_bucket.documents.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.role[each.value.role].member

  condition {
    title = each.key
    expression = join(" || ", [
      for key in each.value.keys :
      "resource.name == \"projects/_/buckets/${google_storage_bucket.documents.name}/objects/${key}\""
    ])
  }

  lifecycle {
    # A new release has other documents: what machines read now stays readable until its successor is.
    create_before_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "documents" {
  for_each = local.secret_readings

  secret_id = google_secret_manager_secret.document[each.value.component].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.role[each.value.role].member
}

# Machines with etcd also keep what is theirs, beside the documents: they write once, and replace and remove snapshots.
# Rights on a managed folder, unlike conditions, hold for listing it too. What is removed is an old version then, which
# they cannot remove.
locals {
  keeping = merge([
    for role in local.etcd_roles : {
      "${role}-read"      = { role = role, folder = "etcd", right = "roles/storage.objectViewer" }
      "${role}-write"     = { role = role, folder = "etcd", right = "roles/storage.objectCreator" }
      "${role}-snapshots" = { role = role, folder = "snapshots", right = "roles/storage.objectUser" }
    }
  ]...)
}

resource "google_storage_managed_folder" "store" {
  for_each = { etcd = "etcd/", snapshots = "etcd/snapshots/" }

  bucket        = google_storage_bucket.documents.name
  name          = each.value
  force_destroy = true # as its bucket
}

resource "google_storage_managed_folder_iam_member" "store" {
  for_each = local.keeping

  bucket         = google_storage_bucket.documents.name
  managed_folder = google_storage_managed_folder.store[each.value.folder].name
  role           = each.value.right
  member         = google_service_account.role[each.value.role].member
}
