# What etcd knows outlives its machine.
resource "anywhere_disk" "etcd" {
  for_each = toset([for name, machine in var.machines : name if machine.etcd])

  name     = "${each.key}-etcd"
  size     = var.etcd_disk
  serial   = "etcd"
  machines = var.settings.machines
}

resource "anywhere_machine" "machine" {
  for_each = merge(var.machines, local.workers)

  name       = each.key
  role       = each.value.role
  machines   = var.settings.machines
  cpus       = each.value.cpus
  memory     = each.value.memory
  disk       = each.value.disk
  base_image = var.base_images[each.value.arch]
  user_data  = file("${path.module}/user-data/${each.value.group}.yaml")
  ssh_keys   = var.ssh_keys
  network    = anywhere_network.machines.id
  address    = each.value.address
  egress     = var.settings.egress
  accel      = var.settings.accel
  disks      = each.value.etcd ? [anywhere_disk.etcd[each.key].id] : []
  forwards   = each.value.api ? { api = 6444 } : {} # see modules/node/agent/front.py

  # A machine finds its documents from its first boot on.
  depends_on = [anywhere_document.release, anywhere_document.secret, anywhere_store.etcd]

  lifecycle {
    # These are what a machine starts as. Running machines converge to a new release; they are not made anew for it.
    ignore_changes = [base_image, user_data, ssh_keys]
  }
}
