# Beside the module only while a cluster is destroyed on purpose.
resource "aws_ebs_volume" "etcd" {
  lifecycle {
    prevent_destroy = false
  }
}
