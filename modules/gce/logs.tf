# Who read which document. Cloud Storage writes it down by itself, as this group.
resource "google_storage_bucket" "logs" {
  #checkov:skip=CKV_GCP_62:a bucket that logged its own logs would be the cause of the next, and these are read by nobody else
  name                        = "${var.cluster}-logs-${var.settings.project_number}"
  location                    = var.settings.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  dynamic "encryption" {
    for_each = compact([var.settings.kms_key])

    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle_rule {
    condition {
      age = 365
    }

    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 90
    }

    action {
      type = "Delete"
    }
  }
}

resource "google_storage_bucket_iam_member" "logs" {
  bucket = google_storage_bucket.logs.name
  role   = "roles/storage.objectCreator"
  member = "group:cloud-storage-analytics@google.com"
}
