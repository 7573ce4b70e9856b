# What a machine may do follows from its role: whom it may talk with (security groups), what it may read (IAM).
locals {
  roles      = toset(concat(values(var.machines)[*].role, [for pool in var.pools : "worker"]))
  etcd_roles = toset([for machine in var.machines : machine.role if machine.etcd])

  # No NAT, and no other way out that would be ours.
  closed = local.own_vpc && var.settings.nat == "none"
  ssh    = length(var.ssh_keys) > 0

  groups = merge(
    {
      machine = "Every machine"
      etcd    = "Machines that run etcd"
      master  = "Masters"
      worker  = "Workers"
    },
    var.settings.load_balancer ? { api = "Load balancer of the API" } : {},
    local.closed ? { secrets = "Secrets Manager inside the VPC" } : {},
    local.ssh ? { ssh = "EC2 Instance Connect Endpoint" } : {},
  )

  # Who may begin a connection to whom. Under weave the control plane talks inside the overlay, so only weave shows.
  weave = {
    weave-control = { from = "machine", to = "machine", protocol = "tcp", ports = [6783, 6783] }
    weave-data    = { from = "machine", to = "machine", protocol = "udp", ports = [6783, 6784] }
    weave-esp     = { from = "machine", to = "machine", protocol = "50", ports = [null, null] }
  }
  flannel_ports = var.network.encryption ? [51820, 51821] : [8472, 8472] # WireGuard's, or VXLAN's
  flannel = {
    flannel        = { from = "machine", to = "machine", protocol = "udp", ports = local.flannel_ports }
    etcd-clients   = { from = "master", to = "etcd", protocol = "tcp", ports = [2379, 2379] }
    etcd-members   = { from = "etcd", to = "etcd", protocol = "tcp", ports = [2379, 2380] }
    api-master     = { from = "master", to = "master", protocol = "tcp", ports = [6443, 6443] }
    api-worker     = { from = "worker", to = "master", protocol = "tcp", ports = [6443, 6443] }
    kubelet-master = { from = "master", to = "master", protocol = "tcp", ports = [10250, 10250] }
    kubelet-worker = { from = "master", to = "worker", protocol = "tcp", ports = [10250, 10250] }
  }
  traffic = merge(
    { weave = local.weave, flannel = local.flannel }[var.network.driver],
    var.settings.load_balancer ? { api = { from = "api", to = "master", protocol = "tcp", ports = [6443, 6443] } } : {},
    local.closed ? { secrets = { from = "machine", to = "secrets", protocol = "tcp", ports = [443, 443] } } : {},
    local.ssh ? { ssh = { from = "ssh", to = "machine", protocol = "tcp", ports = [22, 22] } } : {},
  )
}

# Every machine is in the first and in those of what runs on it. Rules are resources of their own: more may be added
# from outside, and are left alone.
resource "aws_security_group" "group" {
  for_each = local.groups

  name        = "${var.cluster}-${each.key}"
  description = each.value
  vpc_id      = local.vpc
  tags        = { Name = "${var.cluster}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "traffic" {
  for_each = local.traffic

  description                  = "${each.key} from ${each.value.from}"
  security_group_id            = aws_security_group.group[each.value.to].id
  referenced_security_group_id = aws_security_group.group[each.value.from].id
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.ports[0]
  to_port                      = each.value.ports[1]
}

resource "aws_vpc_security_group_egress_rule" "traffic" {
  for_each = local.traffic

  description                  = "${each.key} to ${each.value.to}"
  security_group_id            = aws_security_group.group[each.value.from].id
  referenced_security_group_id = aws_security_group.group[each.value.to].id
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.ports[0]
  to_port                      = each.value.ports[1]
}

# With a way out, HTTPS alone: documents, secrets, and the registries that pods' images come from have no fixed addresses.
resource "aws_vpc_security_group_egress_rule" "https" {
  count = local.closed ? 0 : 1

  description       = "HTTPS to AWS and image registries"
  security_group_id = aws_security_group.group["machine"].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Without one, S3 alone (and Secrets Manager, above).
resource "aws_vpc_security_group_egress_rule" "s3" {
  count = local.closed ? 1 : 0

  description       = "Documents"
  security_group_id = aws_security_group.group["machine"].id
  prefix_list_id    = aws_vpc_endpoint.s3[0].prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Whom the definition names comes to the load balancer; without one, to the masters, by whatever leads into the VPC.
resource "aws_vpc_security_group_ingress_rule" "admin" {
  for_each = toset(var.settings.admin_cidrs)

  description       = "API from ${each.key}"
  security_group_id = aws_security_group.group[var.settings.load_balancer ? "api" : "master"].id
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 6443
  to_port           = 6443
}

resource "aws_iam_role" "role" {
  for_each = local.roles

  name = "${var.cluster}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

# A role reads its own documents, by name, and nothing else of AWS.
resource "aws_iam_role_policy" "documents" {
  for_each = aws_iam_role.role

  name = "documents"
  role = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Documents"
        Effect = "Allow"
        Action = "s3:GetObject"
        Resource = [
          for key, document in merge(var.documents, var.archives) : "${aws_s3_bucket.bucket["documents"].arn}/${key}"
          if contains(document.roles, each.key)
        ]
      },
      {
        Sid    = "Secrets"
        Effect = "Allow"
        Action = "secretsmanager:GetSecretValue"
        Resource = [
          for component, document in var.secret_documents : aws_secretsmanager_secret.document[component].arn
          if contains(document.roles, each.key)
        ]
      },
      {
        Sid      = "Decrypt"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = aws_kms_key.cluster.arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = [for service in ["s3", "secretsmanager"] : "${service}.${var.settings.region}.${data.aws_partition.current.dns_suffix}"]
          }
        }
      },
    ]
  })
}

# Machines with etcd also keep what is theirs, beside the documents. What they remove or replace is an old version of it
# then; only snapshots, and nobody removes old versions but the bucket's own rules.
resource "aws_iam_role_policy" "store" {
  for_each = local.etcd_roles

  name = "store"
  role = aws_iam_role.role[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Names"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = aws_s3_bucket.bucket["documents"].arn
        Condition = { StringEquals = { "s3:prefix" = ["etcd/", "etcd/snapshots/"] } }
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${aws_s3_bucket.bucket["documents"].arn}/etcd/*"
      },
      {
        Sid       = "WriteOnce"
        Effect    = "Allow"
        Action    = "s3:PutObject"
        Resource  = "${aws_s3_bucket.bucket["documents"].arn}/etcd/*"
        Condition = { Null = { "s3:if-none-match" = "false" } }
      },
      {
        Sid      = "Snapshots"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:DeleteObject"]
        Resource = "${aws_s3_bucket.bucket["documents"].arn}/etcd/snapshots/*"
      },
      {
        Sid       = "Encrypt"
        Effect    = "Allow"
        Action    = "kms:GenerateDataKey"
        Resource  = aws_kms_key.cluster.arn
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.settings.region}.${data.aws_partition.current.dns_suffix}" } }
      },
    ]
  })
}

resource "aws_iam_instance_profile" "role" {
  for_each = aws_iam_role.role

  name = each.value.name
  role = each.value.name

  # A machine that starts with a profile may read at once.
  depends_on = [aws_iam_role_policy.documents, aws_iam_role_policy.store]
}
