// Command load asks the frontend RATE times a second until it is told to end, and logs how that goes.
//
// `load URL` asks for that once, prints the status of the answer, and exits 1 where there is none.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"anywhere.local/demo/load"
	"anywhere.local/demo/service"
)

const onceSeconds = 30 * time.Second // policies reach a new pod some seconds after it has begun

func main() {
	if len(os.Args) > 1 {
		once(os.Args[1])
		return
	}
	rate, err := strconv.ParseFloat(cmp.Or(os.Getenv("RATE"), "5"), 64)
	if err != nil || rate <= 0 || rate > 1000 {
		service.Fail(fmt.Errorf("RATE is %q, and not a number of requests a second up to 1000", os.Getenv("RATE")))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var made load.Load
	slog.Info("asking", "rate", rate, "attempts", load.Attempts)
	made.Run(ctx, service.URL("frontend")+"/api/visit", rate)
	made.Tell()
}

func once(url string) {
	client := http.Client{Timeout: onceSeconds}
	answer, err := client.Get(url)
	if err != nil {
		service.Fail(err)
	}
	answer.Body.Close()
	fmt.Println(answer.Status)
}
