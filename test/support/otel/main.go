// A receiver of OTLP over gRPC made of the OpenTelemetry collector's own library: what arrives is printed, a line of
// OTLP JSON for each request. The first line is the address that it listens on.
package main

import (
	"context"
	"fmt"
	"log"
	"net"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

type logs struct {
	plogotlp.UnimplementedGRPCServer
}

type traces struct {
	ptraceotlp.UnimplementedGRPCServer
}

// Of the headers only the one that tests send.
func printLine(ctx context.Context, bytes []byte, err error) {
	if err != nil {
		log.Fatal(err)
	}
	headers, _ := metadata.FromIncomingContext(ctx)
	fmt.Printf("%v %s\n", headers.Get("x-scope"), bytes)
}

func (logs) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	bytes, err := (&plog.JSONMarshaler{}).MarshalLogs(request.Logs())
	printLine(ctx, bytes, err)
	return plogotlp.NewExportResponse(), nil
}

func (traces) Export(ctx context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	bytes, err := (&ptrace.JSONMarshaler{}).MarshalTraces(request.Traces())
	printLine(ctx, bytes, err)
	return ptraceotlp.NewExportResponse(), nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	plogotlp.RegisterGRPCServer(server, &logs{})
	ptraceotlp.RegisterGRPCServer(server, &traces{})
	fmt.Println(listener.Addr())
	log.Fatal(server.Serve(listener))
}
