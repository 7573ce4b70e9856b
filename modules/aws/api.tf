locals {
  api_machine = one([for name, machine in var.machines : name if machine.api])

  # Load balancers may have names of 32 characters, and a cluster's has up to 30. Two of one region have different ones.
  api_name = length(var.cluster) <= 28 ? "${var.cluster}-api" : "api-${substr(sha256(var.cluster), 0, 16)}"
}

# The way to the API from outside, for those whom the definition names. Without public subnets it is one inside the VPC.
resource "aws_lb" "api" {
  #checkov:skip=CKV_AWS_150:deletion protection would make `terraform destroy` impossible, and the balancer keeps nothing
  #checkov:skip=CKV_AWS_91:a network load balancer logs only what it decrypts, and this one passes TLS on; flow logs show who came
  count = var.settings.load_balancer ? 1 : 0

  name                             = local.api_name
  load_balancer_type               = "network"
  internal                         = length(local.public_subnets) == 0
  subnets                          = length(local.public_subnets) == 0 ? local.worker_subnets : local.public_subnets
  security_groups                  = [aws_security_group.group["api"].id]
  enable_cross_zone_load_balancing = true

  # AWS refuses one that faces the internet before the VPC does. Where there are no public subnets it takes addresses
  # among machines, whose own are fixed: so machines come first.
  depends_on = [aws_route.internet, aws_instance.machine]
}

resource "aws_lb_listener" "api" {
  count = var.settings.load_balancer ? 1 : 0

  load_balancer_arn = aws_lb.api[0].arn
  protocol          = "TCP"
  port              = 6443

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api[0].arn
  }
}

resource "aws_lb_target_group" "api" {
  count = var.settings.load_balancer ? 1 : 0

  name                 = local.api_name
  vpc_id               = local.vpc
  protocol             = "TCP"
  port                 = 6443
  deregistration_delay = 60

  health_check {
    protocol = "TCP"
    interval = 10
  }
}

resource "aws_lb_target_group_attachment" "api" {
  for_each = var.settings.load_balancer ? { for name, machine in var.machines : name => machine if machine.role == "master" } : {}

  target_group_arn = aws_lb_target_group.api[0].arn
  target_id        = aws_instance.machine[each.key].id
}
