# Who read which document, and who spoke with whom.
locals {
  log_senders = "arn:${local.partition}:logs:${var.settings.region}:${local.account}:*"

  # What AWS's own log writers may do in the bucket of logs, for this account's resources only.
  log_deliveries = [
    {
      Sid       = "ReadersOfDocuments"
      Effect    = "Allow"
      Principal = { Service = "logging.s3.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${aws_s3_bucket.bucket["logs"].arn}/s3/*"
      Condition = {
        ArnLike      = { "aws:SourceArn" = aws_s3_bucket.bucket["documents"].arn }
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    },
    # Word for word what AWS adds to a policy that lacks it when a flow log is made.
    {
      Sid       = "AWSLogDeliveryWrite"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${aws_s3_bucket.bucket["logs"].arn}/AWSLogs/${local.account}/*"
      Condition = {
        ArnLike      = { "aws:SourceArn" = local.log_senders }
        StringEquals = { "aws:SourceAccount" = local.account, "s3:x-amz-acl" = "bucket-owner-full-control" }
      }
    },
    {
      Sid       = "AWSLogDeliveryAclCheck"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = "s3:GetBucketAcl"
      Resource  = aws_s3_bucket.bucket["logs"].arn
      Condition = {
        ArnLike      = { "aws:SourceArn" = local.log_senders }
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    },
  ]
}

# The bucket of logs keeps none of itself: each would be the cause of the next.
resource "aws_s3_bucket_logging" "bucket" {
  for_each = { for purpose, bucket in aws_s3_bucket.bucket : purpose => bucket if purpose != "logs" }

  bucket        = each.value.id
  target_bucket = aws_s3_bucket.bucket["logs"].id
  target_prefix = "s3/"

  depends_on = [aws_s3_bucket_policy.bucket]
}

resource "aws_flow_log" "network" {
  count = local.own_vpc ? 1 : 0

  vpc_id               = local.vpc
  traffic_type         = "ALL"
  log_destination_type = "s3"
  log_destination      = aws_s3_bucket.bucket["logs"].arn

  depends_on = [aws_s3_bucket_ownership_controls.bucket]
}
