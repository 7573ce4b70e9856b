output "cluster" {
  description = "Whose state this is."
  value       = var.cluster
}

output "machines" {
  description = "Etcd machines and masters: the address in the network, the role, how ssh reaches it, how to see its console."
  value = {
    for name, machine in google_compute_instance.machine : name => {
      address = machine.network_interface[0].network_ip
      role    = var.machines[name].role
      ssh = !local.ssh ? null : join(" ", [
        "gcloud compute ssh ${machine.name} --tunnel-through-iap",
        "--project ${var.settings.project} --zone ${machine.zone}",
      ])
      console = join(" ", [
        "gcloud compute instances get-serial-port-output ${machine.name}",
        "--project ${var.settings.project} --zone ${machine.zone}",
      ])
    }
  }
}

output "api" {
  description = "Where the API server is: the load balancer, or else the first master inside the network."
  value = (
    var.settings.load_balancer
    ? "https://${google_compute_address.api[0].address}:6443"
    : "https://${google_compute_instance.machine[local.api_machine].network_interface[0].network_ip}:6443"
  )
}

output "release" {
  description = "The release that machines were last given, which the next plan is compared with."
  sensitive   = true # it is no secret, only too long to show
  value       = one([for key, document in var.documents : file("${path.module}/${document.file}") if key == "release.json"])
  depends_on  = [google_storage_bucket_object.document]
}

output "applied" {
  description = "What was applied of the definition and its lock, which the next plan is compared with."
  sensitive   = true # it is no secret, only too long to show

  # Unknown, so not recorded, until etcd has its disks: from then on there is something to lose. Terraform records a known
  # value also where an apply fails, whatever it depends on.
  value = alltrue([for disk in google_compute_disk.etcd : disk.id != ""]) ? file("${path.module}/applied.json") : ""
}
