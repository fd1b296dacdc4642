// Rides pushes the statistics of a driver and reads those of several, with stubs generated from hotrow's protos.
//
//	rides 127.0.0.1:6565 1001 9
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "example.com/rides/hotrowv1"
)

// A deadline counts on the server too: it stops working on a call whose caller is gone.
const timeout = 5 * time.Second

// UNAVAILABLE: nobody answered, so the same call is sent again, a push under the same request id. RESOURCE_EXHAUSTED,
// the server is full, has a RetryInfo in its details that says when to come back.
const retries = `{"methodConfig": [{"name": [{"service": "hotrow.v1.FeatureServer"}], "retryPolicy": {
	"maxAttempts": 5, "initialBackoff": "0.02s", "maxBackoff": "1s", "backoffMultiplier": 2,
	"retryableStatusCodes": ["UNAVAILABLE"]}}]}`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rides:", explain(err))
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return fmt.Errorf("usage: rides ADDRESS DRIVER_ID...")
	}
	drivers, err := numbers(arguments[1:])
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(arguments[0],
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(retries))
	if err != nil {
		return err
	}
	defer connection.Close()
	server := pb.NewFeatureServerClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()

	token, err := push(ctx, server, drivers[0])
	if err != nil {
		return err
	}
	return read(ctx, server, drivers, token)
}

// push writes one row. Once it returns, the row is on disk, and a read with the token sees it.
func push(ctx context.Context, server pb.FeatureServerClient, driver int64) ([]byte, error) {
	reply, err := server.PushFeatures(ctx, &pb.PushFeaturesRequest{
		Target: &pb.PushFeaturesRequest_PushSource{PushSource: "driver_stats_push"},
		Rows: []*pb.Column{
			ids([]int64{driver}),
			{Name: "conv_rate", Values: &pb.Column_Float32{Float32: &pb.Float32S{Values: []float32{0.75}}}},
			{Name: "avg_daily_trips", Values: &pb.Column_Int64{Int64: &pb.Int64S{Values: []int64{13}}}},
		},
		RequestId: fmt.Sprintf("rides-%d-%d", os.Getpid(), time.Now().UnixNano()),
	})
	if err != nil {
		return nil, err
	}
	for _, rejection := range reply.GetRejections() {
		return nil, fmt.Errorf("row %d, %s: %s", rejection.Row, rejection.Field, rejection.Reason)
	}
	fmt.Println("pushed", reply.GetWritten(), "row")
	return reply.GetToken(), nil
}

// read prints a line a driver, with the status in place of a value that is not there.
func read(ctx context.Context, server pb.FeatureServerClient, drivers []int64, token []byte) error {
	reply, err := server.GetOnlineFeatures(ctx, &pb.GetOnlineFeaturesRequest{
		Selection: &pb.GetOnlineFeaturesRequest_FeatureService{FeatureService: "driver_activity"},
		Entities:  []*pb.Column{ids(drivers)},
		MinToken:  token,
	})
	if err != nil {
		return err
	}
	for row, driver := range drivers {
		fmt.Print("driver ", driver)
		for _, column := range reply.GetColumns() {
			fmt.Print("  ", column.GetName(), " ", value(column, row))
		}
		fmt.Println()
	}
	return nil
}

func value(column *pb.Column, row int) any {
	if statuses := column.GetStatuses(); len(statuses) > 0 && statuses[row] != pb.Status_PRESENT {
		return statuses[row]
	}
	switch values := column.GetValues().(type) {
	case *pb.Column_Float32:
		return values.Float32.GetValues()[row]
	case *pb.Column_Int64:
		return values.Int64.GetValues()[row]
	default:
		return fmt.Sprintf("of type %T", values)
	}
}

func ids(drivers []int64) *pb.Column {
	return &pb.Column{Name: "driver_id", Values: &pb.Column_Int64{Int64: &pb.Int64S{Values: drivers}}}
}

func numbers(words []string) ([]int64, error) {
	found := make([]int64, len(words))
	for place, word := range words {
		number, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("a driver id is a number, not %q", word)
		}
		found[place] = number
	}
	return found, nil
}

// explain adds the field at fault, which the server names in the details of its status.
func explain(err error) string {
	refused := status.Convert(err)
	for _, detail := range refused.Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok && len(bad.GetFieldViolations()) > 0 {
			return fmt.Sprintf("%s: %s (field %s)", refused.Code(), refused.Message(), bad.GetFieldViolations()[0].GetField())
		}
	}
	return err.Error()
}
