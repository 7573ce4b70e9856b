# Beside the module only while a cluster is destroyed on purpose.
resource "google_compute_disk" "etcd" {
  lifecycle {
    prevent_destroy = false
  }
}
