terraform {
  # 1.11 is the first with write-only arguments: secrets reach AWS without being in state or plan.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.69.1"
    }
  }
}

provider "aws" {
  region              = var.settings.region
  allowed_account_ids = var.settings.account == null ? null : [var.settings.account]

  # What is left after a destroy is found by the first of these.
  default_tags {
    tags = merge(var.settings.tags, { anywhere-cluster = var.cluster })
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
}
