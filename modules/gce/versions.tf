terraform {
  # 1.11 is the first with write-only arguments: secrets reach Google without being in state or plan.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "8.7.0"
    }
  }
}

provider "google" {
  project = var.settings.project
  region  = var.settings.region

  # Requests of a person's credentials count for the cluster's project: some services refuse those that count for none.
  user_project_override = true
  billing_project       = var.settings.project

  # What is left after a destroy is found by the first of these.
  default_labels = local.labels
}

# The provider puts these on what it makes itself, but not on disks that come with an instance.
locals {
  labels = merge(var.settings.labels, { anywhere-cluster = var.cluster })
}
