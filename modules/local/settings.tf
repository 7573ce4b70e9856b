variable "settings" {
  description = "machines: vm, container or auto; egress: whether they reach anything outside the cluster; accel: auto, kvm or tcg."
  type = object({
    machines = optional(string, "vm")
    egress   = optional(bool, true)
    accel    = optional(string, "auto")
  })
  default = {}
}
