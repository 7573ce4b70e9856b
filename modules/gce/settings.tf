variable "settings" {
  description = "Where on Google. spread: how many of the first zones fixed machines stand in; types, disks: by size and architecture; network: one that is there; kms_key: for all at rest."
  type = object({
    project        = string
    project_number = string
    region         = string
    zones          = list(string)
    spread         = optional(number)
    pool_zones     = optional(map(list(string)), {})
    types          = map(string)
    disks          = optional(map(string), {})
    admin_cidrs    = list(string)
    nat            = string
    load_balancer  = bool
    network        = optional(object({ name = string, subnetwork = string, project = string }))
    labels         = optional(map(string), {})
    kms_key        = optional(string)
  })

  validation {
    condition     = var.settings.network != null || tonumber(split("/", var.network.machines)[1]) <= 19
    error_message = "spec.network.machines must be /19 or larger, so that fixed machines and workers have a subnetwork each."
  }
}
