variable "cluster" {
  description = "The cluster's name."
  type        = string
}

variable "network" {
  description = "machines: the addresses between machines; driver: weave or flannel; encryption: whether it encrypts."
  type = object({
    machines   = string
    driver     = string
    encryption = bool
  })
}

variable "machines" {
  description = "Etcd machines and masters by name. memory in MiB, disk in GiB; etcd: has a data disk; api: the first master."
  type = map(object({
    role    = string
    group   = string
    number  = number
    size    = string
    arch    = string
    cpus    = number
    memory  = number
    disk    = number
    address = string
    etcd    = bool
    api     = bool
  }))
}

variable "pools" {
  description = "Workers by pool. offset: the address before the first, from the start of the machines' network."
  type = map(object({
    group  = string
    count  = number
    min    = number
    max    = number
    size   = string
    arch   = string
    spot   = bool
    cpus   = number
    memory = number
    disk   = number
    offset = number
  }))
}

variable "etcd_disk" {
  description = "GiB of the disk that holds the data of an etcd member."
  type        = number
}

variable "base_images" {
  description = "What new machines start as, by architecture."
  type        = map(string)
}

variable "ssh_keys" {
  description = "Public keys that may log in to new machines."
  type        = list(string)
}

variable "documents" {
  description = "What machines may fetch, by key: the file in this folder, its SHA-256, and the roles that may."
  type = map(object({
    file   = string
    sha256 = string
    roles  = optional(set(string), ["etcd", "master", "worker"])
  }))
}

variable "archives" {
  description = "Archives of images and packages that machines may fetch, by key, and the roles that may."
  type        = map(object({ roles = set(string) }))
  default     = {}
}

variable "cache" {
  description = "The folder of this computer that holds the archives."
  type        = string
  default     = "~/.cache/anywhere"
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
