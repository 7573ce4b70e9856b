# A service-linked role of the cluster's own: the cluster's key can name it before the account has its first group.
resource "aws_iam_service_linked_role" "autoscaling" {
  aws_service_name = "autoscaling.amazonaws.com"
  custom_suffix    = var.cluster
  description      = "Starts the workers of cluster ${var.cluster}"
}

# What new workers start as. A new version leaves the running ones alone: they converge in place.
resource "aws_launch_template" "pool" {
  for_each = var.pools

  name                   = "${var.cluster}-${each.value.group}"
  update_default_version = true
  image_id               = var.base_images[each.value.arch]
  instance_type          = var.settings.types["${each.value.size}-${each.value.arch}"]
  user_data              = filebase64("${path.module}/user-data/${each.value.group}.yaml")
  ebs_optimized          = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.role["worker"].arn
  }

  monitoring {
    enabled = true
  }

  network_interfaces {
    associate_public_ip_address = false
    delete_on_termination       = true
    security_groups             = [aws_security_group.group["machine"].id, aws_security_group.group["worker"].id]
  }

  # As for machines: one hop, and tags that say where the documents are.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "enabled"
  }

  # The root device of Debian's images.
  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = each.value.disk
      encrypted             = true
      kms_key_id            = aws_kms_key.cluster.arn
      delete_on_termination = true
    }
  }

  # Terraform's default tags reach the template, not what is started from it.
  dynamic "tag_specifications" {
    for_each = ["volume", "network-interface"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(var.settings.tags, { anywhere-cluster = var.cluster, anywhere-group = each.value.group })
    }
  }
}

# Nothing here grows with the number of workers, and none of them is known to Terraform.
resource "aws_autoscaling_group" "pool" {
  for_each = var.pools

  name                    = "${var.cluster}-${each.value.group}"
  min_size                = each.value.min
  max_size                = each.value.max
  desired_capacity        = each.value.count
  vpc_zone_identifier     = local.pool_subnets[each.key]
  service_linked_role_arn = aws_iam_service_linked_role.autoscaling.arn
  health_check_type       = "EC2"
  capacity_rebalance      = each.value.spot

  # Nobody takes workers away only to have as many in each zone.
  suspended_processes = ["AZRebalance"]

  # `anywhere apply` waits until workers are Ready, and says which are not and why.
  wait_for_capacity_timeout = "0"

  mixed_instances_policy {
    instances_distribution {
      on_demand_percentage_above_base_capacity = each.value.spot ? 0 : 100
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.pool[each.key].id
        version            = aws_launch_template.pool[each.key].latest_version
      }
    }
  }

  # A worker that is to go sees it in its metadata, and has this long to drain and to leave the network. It goes on by
  # itself, so it needs no right to tell AWS. Part of the group, so that the workers of a removed pool leave the same way.
  initial_lifecycle_hook {
    name                 = "leave"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = 300
    default_result       = "CONTINUE"
  }

  dynamic "tag" {
    for_each = merge(var.settings.tags, {
      Name               = "${var.cluster}-${each.value.group}"
      anywhere-cluster   = var.cluster
      anywhere-role      = "worker"
      anywhere-group     = each.value.group
      anywhere-documents = aws_s3_bucket.bucket["documents"].bucket
    })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  # In a VPC that was there, AWS could give a worker the fixed address of a machine that is not there yet. And a worker
  # that goes must reach the masters until it has left.
  depends_on = [
    aws_instance.machine,
    aws_s3_object.document,
    aws_s3_object.archive,
    aws_secretsmanager_secret_version.document,
    aws_route_table_association.worker,
    aws_vpc_security_group_ingress_rule.traffic,
    aws_vpc_security_group_egress_rule.traffic,
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_endpoint.s3,
    aws_vpc_endpoint.secrets,
  ]

  timeouts {
    delete = "15m" # the workers' time to leave, and some
  }

  lifecycle {
    # Between min and max the size is an autoscaler's, and `count` is where it began. Where min and max are the count,
    # as they are unless the definition says otherwise, a new count still works: AWS moves the size into the new limits.
    ignore_changes = [desired_capacity]
  }
}
