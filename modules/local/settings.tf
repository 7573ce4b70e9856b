variable "settings" {
  description = "egress: whether machines reach anything outside the cluster; accel: auto, kvm or tcg."
  type = object({
    egress = optional(bool, true)
    accel  = optional(string, "auto")
  })
  default = {}
}
