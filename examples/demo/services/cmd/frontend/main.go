// Command frontend is the service of that name.
package main

import (
	"anywhere.local/demo/frontend"
	"anywhere.local/demo/service"
)

func main() {
	usersURL, appmapperURL, metricsURL := service.URL("users"), service.URL("app-mapper"), service.URL("metrics")
	service.Main("frontend", frontend.New(service.Self("frontend"), usersURL, appmapperURL, metricsURL))
}
