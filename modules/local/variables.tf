variable "cluster" {
  description = "The cluster's name."
  type        = string
}

variable "network" {
  description = "machines: the addresses of the network between machines."
  type        = object({ machines = string })
}

variable "machines" {
  description = "Every machine by name. memory in MiB, disk in GiB; etcd: has a data disk; api: this host reaches its API."
  type = map(object({
    role    = string
    group   = string
    cpus    = number
    memory  = number
    disk    = number
    address = string
    etcd    = bool
    api     = bool
  }))
}

variable "base_image" {
  description = "SHA-256 of the image that new machines start as."
  type        = string
}

variable "ssh_keys" {
  description = "Public keys that may log in to new machines."
  type        = list(string)
}

variable "settings" {
  description = "egress: whether machines reach anything outside the cluster; accel: auto, kvm or tcg."
  type = object({
    egress = optional(bool, true)
    accel  = optional(string, "auto")
  })
  default = {}
}

variable "documents" {
  description = "What machines may fetch, by key: the file in this folder, its SHA-256, and the roles that may."
  type = map(object({
    file   = string
    sha256 = string
    roles  = optional(set(string), ["etcd", "master", "worker"])
  }))
}

variable "secret_documents" {
  description = "The secrets of each component: the roles that may fetch them, and a version that changes with them."
  type = map(object({
    roles   = set(string)
    version = string
  }))
}

variable "secrets" {
  description = "The secret documents themselves, by component. Never in state or plan."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true
}
