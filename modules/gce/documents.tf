# A bucket's name is unique in the world, so the project is in it. A key of the definition's own, where there is one, is
# for all that is kept: documents, secrets, disks; it is of the cluster's region.
resource "google_storage_bucket" "documents" {
  name                        = "${var.cluster}-documents-${var.settings.project_number}"
  location                    = var.settings.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # a destroy leaves nothing behind; documents are rendered anew whenever there is a cluster

  versioning {
    enabled = true
  }

  # Old versions are there, so deleted ones need no second life.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  logging {
    log_bucket        = google_storage_bucket.logs.name
    log_object_prefix = "documents"
  }

  dynamic "encryption" {
    for_each = compact([var.settings.kms_key])

    content {
      default_kms_key_name = encryption.value
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

  # Those that machines have removed, since there are enough later ones.
  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 7
      matches_prefix             = ["etcd/snapshots/"]
    }

    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age = 7
    }

    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  # What is read is logged from the first document on.
  depends_on = [google_storage_bucket_iam_member.logs]
}

# What machines fetch from Cloud Storage. A running machine ignores changes here until its next round, then converges to
# them.
resource "google_storage_bucket_object" "document" {
  for_each = var.documents

  bucket         = google_storage_bucket.documents.name
  name           = each.key
  source         = "${path.module}/${each.value.file}"
  source_md5hash = filemd5("${path.module}/${each.value.file}")

  # A release is published after all that it names, and after the right to read it.
  depends_on = [
    google_storage_bucket_object.archive,
    google_storage_bucket_iam_member.documents,
    google_secret_manager_secret_version.document,
    google_secret_manager_secret_iam_member.documents,
  ]
}

resource "google_storage_bucket_object" "archive" {
  for_each = var.archives

  bucket = google_storage_bucket.documents.name
  name   = each.key # its content's
  source = "${pathexpand(var.cache)}/${each.key}"

  timeouts {
    create = "60m"
  }

  lifecycle {
    # Another person's cache is elsewhere, and once an archive is uploaded nobody needs to have it.
    ignore_changes = [source, detect_md5hash]
  }
}

# What machines fetch from Secret Manager. It stays in the cluster's region, which is where the key of it must be.
resource "google_secret_manager_secret" "document" {
  for_each = var.secret_documents

  secret_id           = "${var.cluster}-${each.key}"
  deletion_protection = false # its content is in the store; a cluster may be made again under its name

  replication {
    user_managed {
      replicas {
        location = var.settings.region

        dynamic "customer_managed_encryption" {
          for_each = compact([var.settings.kms_key])

          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }
}

resource "google_secret_manager_secret_version" "document" {
  for_each = var.secret_documents

  secret                 = google_secret_manager_secret.document[each.key].id
  secret_data_wo         = lookup(var.secrets, each.key, "not given") # null fails even a destroy: the version requires it
  secret_data_wo_version = parseint(each.value.version, 16)

  lifecycle {
    # Machines read the latest version: there always is one.
    create_before_destroy = true

    # A destroy does not check this, so it needs no secrets.
    precondition {
      condition     = contains(keys(var.secrets), each.key)
      error_message = "Terraform was not given the secret ${each.key}. Run: eval \"$(anywhere env FILE --provider gce)\""
    }
  }
}
