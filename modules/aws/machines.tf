# What etcd knows outlives its machine.
resource "aws_ebs_volume" "etcd" {
  for_each = { for name, machine in var.machines : name => machine if machine.etcd }

  availability_zone = local.machine_zones[each.key]
  type              = "gp3"
  size              = var.etcd_disk
  encrypted         = true
  kms_key_id        = aws_kms_key.cluster.arn
  tags              = { Name = "${var.cluster}-${each.key}-etcd", anywhere-name = each.key }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_instance" "machine" {
  for_each = var.machines

  ami                         = var.base_images[each.value.arch]
  instance_type               = var.settings.types["${each.value.size}-${each.value.arch}"]
  subnet_id                   = local.machine_subnets[each.key]
  private_ip                  = split("/", each.value.address)[0]
  associate_public_ip_address = false
  iam_instance_profile        = aws_iam_instance_profile.role[each.value.role].name
  user_data                   = file("${path.module}/user-data/${each.value.group}.yaml")
  ebs_optimized               = true
  monitoring                  = true

  vpc_security_group_ids = [
    for name, group in aws_security_group.group : group.id
    if name == "machine" || name == each.value.role || name == "etcd" && each.value.etcd
  ]

  # A machine learns from its tags where its documents are. One hop: containers do not reach its identity.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "enabled"
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = each.value.disk
    encrypted   = true
    kms_key_id  = aws_kms_key.cluster.arn
  }

  tags = {
    Name               = "${var.cluster}-${each.key}"
    anywhere-name      = each.key
    anywhere-role      = each.value.role
    anywhere-group     = each.value.group
    anywhere-documents = aws_s3_bucket.bucket["documents"].bucket
  }

  # It finds its documents and a way to them from its first boot on, and whom it works with until it is gone. A NAT
  # gateway takes minutes, and a machine is as long about what it has from S3 before it asks for a secret: it tries again
  # until there is a way.
  depends_on = [
    aws_s3_object.document,
    aws_s3_object.archive,
    aws_secretsmanager_secret_version.document,
    aws_route_table_association.machine,
    aws_vpc_security_group_ingress_rule.traffic,
    aws_vpc_security_group_egress_rule.traffic,
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_endpoint.s3,
    aws_vpc_endpoint.secrets,
  ]

  lifecycle {
    # These are what a machine starts as. Running machines converge to a new release; they are not made anew for it. A
    # disk keeps its size: EBS can shrink none, so a smaller machine could not be had otherwise.
    ignore_changes = [ami, user_data, root_block_device[0].volume_size]
  }
}

resource "aws_volume_attachment" "etcd" {
  for_each = aws_ebs_volume.etcd

  device_name = "/dev/sdf"
  volume_id   = each.value.id
  instance_id = aws_instance.machine[each.key].id

  # Pulled out of a running etcd, the volume would lose what is not written yet.
  stop_instance_before_detaching = true
}

# One that was stopped shows as a difference, and is started again with its data.
resource "aws_ec2_instance_state" "running" {
  for_each = aws_instance.machine

  instance_id = each.value.id
  state       = "running"
}

# How ssh comes in, where there are keys for it: by AWS's own tunnel, since no machine has a public address.
resource "aws_ec2_instance_connect_endpoint" "ssh" {
  count = local.ssh ? 1 : 0

  subnet_id          = local.worker_subnets[0] # AWS chooses its address, which must be no fixed machine's
  security_group_ids = [aws_security_group.group["ssh"].id]
  preserve_client_ip = false # machines know it by its group
  tags               = { Name = "${var.cluster}-ssh" }

  depends_on = [aws_instance.machine]
}
