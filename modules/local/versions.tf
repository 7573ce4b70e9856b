terraform {
  required_version = ">= 1.11"

  required_providers {
    anywhere = {
      source  = "anywhere.local/anywhere/local"
      version = "0.1.0"
    }
  }
}

provider "anywhere" {
  cluster = var.cluster
}
