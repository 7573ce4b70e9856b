# A worker is a machine like any other here: worker-POOL-1 and so on, at the addresses of its pool.
locals {
  workers = merge([
    for name, pool in var.pools : {
      for number in range(1, pool.count + 1) : "worker-${name}-${number}" => {
        role    = "worker"
        group   = pool.group
        number  = number
        size    = pool.size
        arch    = pool.arch
        cpus    = pool.cpus
        memory  = pool.memory
        disk    = pool.disk
        address = "${cidrhost(var.network.machines, pool.offset + number)}/${split("/", var.network.machines)[1]}"
        etcd    = false
        api     = false
      }
    }
  ]...)
}
