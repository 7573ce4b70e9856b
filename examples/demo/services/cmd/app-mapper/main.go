// Command app-mapper is the service of that name.
package main

import (
	"anywhere.local/demo/appmapper"
	"anywhere.local/demo/service"
)

func main() {
	service.Main("app-mapper", appmapper.New(service.Self("app-mapper"), service.URL("dbshell")))
}
