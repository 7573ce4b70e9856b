# One key for all that is the cluster's: volumes, documents, secrets.
resource "aws_kms_key" "cluster" {
  description             = "Kubernetes cluster ${var.cluster}"
  enable_key_rotation     = true
  deletion_window_in_days = 30 # so long after a destroy, a snapshot of an etcd volume can still be read
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TheAccountDecidesByIAM"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*" # in a key's policy: this key
      },
      {
        Sid       = "VolumesOfWorkers"
        Effect    = "Allow"
        Principal = { AWS = aws_iam_service_linked_role.autoscaling.arn }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
      },
      {
        Sid       = "VolumesOfWorkersAttached"
        Effect    = "Allow"
        Principal = { AWS = aws_iam_service_linked_role.autoscaling.arn }
        Action    = "kms:CreateGrant"
        Resource  = "*"
        Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
      },
    ]
  })
}

resource "aws_kms_alias" "cluster" {
  name          = "alias/${var.cluster}"
  target_key_id = aws_kms_key.cluster.key_id
}

# Two buckets alike: what machines fetch, and who fetched it and spoke with whom (logs.tf). A bucket's name is unique in
# the world, so the account is in it.
locals {
  buckets = { for purpose in ["documents", "logs"] : purpose => "${var.cluster}-${purpose}-${local.account}" }
}

resource "aws_s3_bucket" "bucket" {
  #checkov:skip=CKV_AWS_144:`anywhere apply` writes all documents anew wherever the cluster is made; logs belong to machines of one region
  for_each = local.buckets

  bucket        = each.value
  force_destroy = true # a destroy leaves nothing behind; documents are rendered anew whenever there is a cluster
}

resource "aws_s3_bucket_public_access_block" "bucket" {
  for_each = aws_s3_bucket.bucket

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "bucket" {
  for_each = aws_s3_bucket.bucket

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "bucket" {
  for_each = aws_s3_bucket.bucket

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

# S3 delivers its access logs only to buckets with its own encryption.
resource "aws_s3_bucket_server_side_encryption_configuration" "bucket" {
  for_each = aws_s3_bucket.bucket

  bucket = each.value.id

  rule {
    bucket_key_enabled = each.key != "logs"

    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "logs" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "logs" ? null : aws_kms_key.cluster.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "bucket" {
  for_each = aws_s3_bucket.bucket

  bucket = each.value.id

  rule {
    id     = "old"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = 90
    }

    dynamic "expiration" {
      for_each = each.key == "logs" ? [365] : []

      content {
        days = expiration.value
      }
    }
  }

  # Those that machines have removed, since there are enough later ones.
  dynamic "rule" {
    for_each = each.key == "documents" ? ["snapshots"] : []

    content {
      id     = rule.value
      status = "Enabled"

      filter {
        prefix = "etcd/snapshots/"
      }

      noncurrent_version_expiration {
        noncurrent_days = 7
      }

      expiration {
        expired_object_delete_marker = true
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.bucket]
}

# Whoever wants to know of a new release or log can ask EventBridge for it.
resource "aws_s3_bucket_notification" "bucket" {
  for_each = aws_s3_bucket.bucket

  bucket      = each.value.id
  eventbridge = true
}

resource "aws_s3_bucket_policy" "bucket" {
  for_each = aws_s3_bucket.bucket

  bucket = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [each.value.arn, "${each.value.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      [for delivery in local.log_deliveries : delivery if each.key == "logs"],
    )
  })

  # Making a flow log has AWS write to the policy, of which this then is the last word.
  depends_on = [aws_s3_bucket_public_access_block.bucket, aws_flow_log.network]
}

# What machines fetch from S3. A running machine converges to a change here at its next round.
resource "aws_s3_object" "document" {
  for_each = var.documents

  bucket      = aws_s3_bucket.bucket["documents"].bucket
  key         = each.key
  source      = "${path.module}/${each.value.file}"
  source_hash = each.value.sha256
  kms_key_id  = aws_kms_key.cluster.arn

  # The cluster's tags are on the bucket; an object can have ten.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  # Published last: whoever reads of an image or a secret can have it.
  depends_on = [
    aws_s3_bucket_versioning.bucket,
    aws_s3_object.archive,
    aws_secretsmanager_secret_version.document,
    aws_iam_role_policy.documents,
  ]
}

resource "aws_s3_object" "archive" {
  for_each = var.archives

  bucket      = aws_s3_bucket.bucket["documents"].bucket
  key         = each.key
  source      = "${pathexpand(var.cache)}/${each.key}"
  source_hash = each.key # named by its content
  kms_key_id  = aws_kms_key.cluster.arn

  override_provider {
    default_tags {
      tags = {}
    }
  }

  depends_on = [aws_s3_bucket_versioning.bucket]

  lifecycle {
    # Another person's cache is elsewhere.
    ignore_changes = [source]
  }
}

# What machines fetch from Secrets Manager.
resource "aws_secretsmanager_secret" "document" {
  #checkov:skip=CKV2_AWS_57:`anywhere apply` renews certificates itself; a rotation by Lambda would need the CA keys, which never leave the store
  for_each = var.secret_documents

  name                    = "${var.cluster}/${each.key}"
  description             = "What ${each.key} of cluster ${var.cluster} must know"
  kms_key_id              = aws_kms_key.cluster.arn
  recovery_window_in_days = 0 # its content is in the store; a cluster may be made again under its name
}

resource "aws_secretsmanager_secret_version" "document" {
  for_each = var.secret_documents

  secret_id                = aws_secretsmanager_secret.document[each.key].id
  secret_string_wo         = lookup(var.secrets, each.key, "not given") # null fails even a destroy: the version requires it
  secret_string_wo_version = parseint(each.value.version, 16)

  lifecycle {
    # A destroy does not check this, so it needs no secrets.
    precondition {
      condition     = contains(keys(var.secrets), each.key)
      error_message = "Terraform was not given the secret ${each.key}. Run: eval \"$(anywhere env FILE --provider aws)\""
    }
  }
}

resource "aws_secretsmanager_secret_policy" "document" {
  for_each = aws_secretsmanager_secret.document

  secret_arn          = each.value.arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "NobodyOfAnotherAccount"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "secretsmanager:*"
      Resource  = "*"
      Condition = { StringNotEquals = { "aws:PrincipalAccount" = local.account } }
    }]
  })
}
