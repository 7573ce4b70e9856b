// Command metrics is the service of that name.
package main

import (
	"anywhere.local/demo/metrics"
	"anywhere.local/demo/service"
)

func main() { service.Main("metrics", metrics.New(service.Self("metrics"), service.URL("dbshell"))) }
