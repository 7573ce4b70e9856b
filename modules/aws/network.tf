# Private subnets for all machines; public ones only for what must face the internet: NAT and load balancer.
# An existing VPC is used as it is: its routes, endpoints and flow logs are its owner's.
locals {
  own_vpc = var.settings.vpc == null
  vpc     = local.own_vpc ? aws_vpc.cluster[0].id : var.settings.vpc.id

  zones        = local.own_vpc ? var.settings.zones : distinct(var.settings.vpc.subnets[*].zone)
  public_zones = var.settings.load_balancer ? local.zones : local.nat_zones
  nat_zones = {
    none = []
    one  = slice(local.zones, 0, 1)
    zone = local.zones
  }[var.settings.nat]

  # Where each fixed machine stands; each has a /27 of its own, so that its address is the same on every target. A zone or
  # subnet that came later moves none of them.
  places        = local.own_vpc ? [for zone in local.zones : { zone = zone, id = "" }] : var.settings.vpc.subnets
  spread        = slice(local.places, 0, coalesce(var.settings.spread, length(local.places)))
  machine_zones = { for name, machine in var.machines : name => element(local.spread, machine.number - 1).zone }
  machine_subnets = {
    for name, machine in var.machines : name => (
      local.own_vpc ? aws_subnet.machine[name].id : element(local.spread, machine.number - 1).id
    )
  }

  # Some zones may lack a pool's machine type.
  pool_subnets = {
    for pool in keys(var.pools) : pool => (
      local.own_vpc
      ? [for zone in lookup(var.settings.pool_zones, pool, local.zones) : aws_subnet.worker[zone].id]
      : [for subnet in var.settings.vpc.subnets : subnet.id if contains(lookup(var.settings.pool_zones, pool, local.zones), subnet.zone)]
    )
  }
  worker_subnets = local.own_vpc ? values(aws_subnet.worker)[*].id : var.settings.vpc.subnets[*].id
  public_subnets = local.own_vpc ? values(aws_subnet.public)[*].id : var.settings.vpc.public_subnets
}

resource "aws_vpc" "cluster" {
  count = local.own_vpc ? 1 : 0

  cidr_block           = var.network.machines
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.cluster }
}

# Whatever is started here without a group of its own reaches nothing.
resource "aws_default_security_group" "nothing" {
  count = local.own_vpc ? 1 : 0

  vpc_id = local.vpc
}

resource "aws_subnet" "machine" {
  for_each = local.own_vpc ? var.machines : {}

  vpc_id            = local.vpc
  availability_zone = local.machine_zones[each.key]
  cidr_block        = cidrsubnet("${split("/", each.value.address)[0]}/27", 0, 0)
  tags              = { Name = "${var.cluster}-${each.key}" }
}

# The first eighth of the network is for fixed machines and public subnets; each zone's workers have one of the others.
resource "aws_subnet" "worker" {
  for_each = local.own_vpc ? { for index, zone in local.zones : zone => index + 1 } : {}

  vpc_id            = local.vpc
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.network.machines, 3, each.value)
  tags              = { Name = "${var.cluster}-worker-${each.key}" }
}

# Parts of the fourth /24.
resource "aws_subnet" "public" {
  for_each = local.own_vpc ? { for index, zone in local.public_zones : zone => index } : {}

  vpc_id            = local.vpc
  availability_zone = each.key
  cidr_block        = cidrsubnet("${cidrhost(var.network.machines, 768)}/24", 3, each.value)
  tags              = { Name = "${var.cluster}-public-${each.key}" }
}

resource "aws_internet_gateway" "public" {
  count = length(aws_subnet.public) > 0 ? 1 : 0

  vpc_id = local.vpc
  tags   = { Name = var.cluster }
}

resource "aws_route_table" "public" {
  count = length(aws_subnet.public) > 0 ? 1 : 0

  vpc_id = local.vpc
  tags   = { Name = "${var.cluster}-public" }
}

resource "aws_route" "internet" {
  count = length(aws_subnet.public) > 0 ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  gateway_id             = aws_internet_gateway.public[0].id
  destination_cidr_block = "0.0.0.0/0"
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_eip" "nat" {
  for_each = local.own_vpc ? toset(local.nat_zones) : []

  domain = "vpc"
  tags   = { Name = "${var.cluster}-nat-${each.key}" }
}

resource "aws_nat_gateway" "nat" {
  for_each = aws_eip.nat

  allocation_id = each.value.id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = { Name = "${var.cluster}-${each.key}" }

  depends_on = [aws_route.internet]
}

# One a zone, so that going from one NAT gateway to one a zone moves no subnet.
resource "aws_route_table" "private" {
  for_each = local.own_vpc ? toset(local.zones) : []

  vpc_id = local.vpc
  tags   = { Name = "${var.cluster}-private-${each.key}" }
}

resource "aws_route" "nat" {
  for_each = var.settings.nat == "none" ? {} : aws_route_table.private

  route_table_id         = each.value.id
  nat_gateway_id         = aws_nat_gateway.nat[var.settings.nat == "zone" ? each.key : local.zones[0]].id
  destination_cidr_block = "0.0.0.0/0"
}

resource "aws_route_table_association" "machine" {
  for_each = aws_subnet.machine

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[local.machine_zones[each.key]].id
}

resource "aws_route_table_association" "worker" {
  for_each = aws_subnet.worker

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}

# Machines fetch their documents from S3 past the NAT gateway. It costs nothing.
resource "aws_vpc_endpoint" "s3" {
  count = local.own_vpc ? 1 : 0

  vpc_id          = local.vpc
  service_name    = "com.amazonaws.${var.settings.region}.s3"
  route_table_ids = values(aws_route_table.private)[*].id
  tags            = { Name = "${var.cluster}-s3" }
}

# Without NAT, this is the only way to the secrets. S3 and Secrets Manager ask KMS themselves, so nodes need no way there.
resource "aws_vpc_endpoint" "secrets" {
  count = local.closed ? 1 : 0

  vpc_id              = local.vpc
  service_name        = "com.amazonaws.${var.settings.region}.secretsmanager"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = values(aws_subnet.worker)[*].id
  security_group_ids  = [aws_security_group.group["secrets"].id]
  tags                = { Name = "${var.cluster}-secrets" }
}
