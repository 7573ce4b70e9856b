resource "anywhere_document" "release" {
  for_each = var.documents

  key    = each.key
  roles  = each.value.roles
  source = "${path.module}/${each.value.file}"
  sha256 = each.value.sha256

  # A release names the versions of the secrets.
  depends_on = [anywhere_document.secret]
}

resource "anywhere_document" "secret" {
  for_each = var.secret_documents

  key             = "secrets/${each.key}"
  roles           = each.value.roles
  content_wo      = lookup(var.secrets, each.key, null)
  content_version = each.value.version
}

# What machines with etcd keep.
resource "anywhere_store" "etcd" {
  roles = toset([for machine in var.machines : machine.role if machine.etcd])
}
