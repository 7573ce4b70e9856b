variable "settings" {
  description = "Where on AWS. spread: how many of the first zones, or subnets, fixed machines stand in; types: by size and architecture; vpc: a network that is there; account: the only one that will do."
  type = object({
    region        = string
    zones         = list(string)
    spread        = optional(number)
    pool_zones    = optional(map(list(string)), {})
    types         = map(string)
    admin_cidrs   = list(string)
    nat           = string
    load_balancer = bool
    vpc = optional(object({
      id             = string
      subnets        = list(object({ id = string, zone = string, cidr = string }))
      public_subnets = optional(list(string), [])
    }))
    tags    = optional(map(string), {})
    account = optional(string)
  })

  validation {
    condition     = var.settings.vpc != null || tonumber(split("/", var.network.machines)[1]) <= 19
    error_message = "spec.network.machines must be /19 or larger, so that each zone's workers have a subnet."
  }
}
