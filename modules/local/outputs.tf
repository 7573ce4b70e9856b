output "cluster" {
  description = "Whose state this is."
  value       = var.cluster
}

output "machines" {
  description = "Every machine: its address on the cluster's network, its role, how ssh reaches it, its console's log."
  value = {
    for name, machine in anywhere_machine.machine : name => {
      address = split("/", machine.address)[0]
      role    = machine.role
      ssh     = "ssh -p ${machine.ssh_port} debian@127.0.0.1"
      console = machine.console
    }
  }
}

output "api" {
  description = "Where this host reaches the API server; null where no machine has one."
  value       = try("https://127.0.0.1:${local.api_port}", null)
}

output "release" {
  description = "The release that machines were last given, which the next plan is compared with."
  sensitive   = true # it is no secret, only too long to show
  value       = one([for key, document in var.documents : file("${path.module}/${document.file}") if key == "release.json"])
  depends_on  = [anywhere_document.release]
}

output "applied" {
  description = "What was applied of the definition and its lock, which the next plan is compared with."
  sensitive   = true # it is no secret, only too long to show

  # Unknown, so not recorded, until etcd has its disks: from then on there is something to lose. Terraform records a known
  # value also where an apply fails, whatever it depends on.
  value = alltrue([for disk in anywhere_disk.etcd : disk.id != ""]) ? file("${path.module}/applied.json") : ""
}
