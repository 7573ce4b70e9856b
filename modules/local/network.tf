resource "anywhere_network" "machines" {
  name = "machines"
  cidr = var.network.machines
}
