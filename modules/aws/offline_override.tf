# Beside the module only where a plan asks nobody: the provider needs an account that it cannot see.
provider "aws" {
  access_key                  = "offline"
  secret_key                  = "offline"
  allowed_account_ids         = null
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

data "aws_caller_identity" "current" {
  count = 0
}

locals {
  account = coalesce(var.settings.account, "123456789012")
}
