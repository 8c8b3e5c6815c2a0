"""Scans an image on a Strata server and prints its findings as JSON: any language that speaks gRPC can.

    python -m grpc_tools.protoc -I proto --python_out=DIR --grpc_python_out=DIR proto/strata/v1/*.proto
    PYTHONPATH=DIR python watch_scan.py HOST:PORT IMAGE

STRATA_TOKEN holds the token, where the server wants one. Over a network, use grpc.secure_channel. Exit codes: 0 there is a
report, 3 there is none.
"""

import json
import os
import sys
import uuid

import grpc
from strata.v1 import report_pb2, scan_pb2, scan_pb2_grpc


def findings(report):
    """One row for each finding, with its package."""
    for finding in report.findings:
        package = report.packages[finding.package]
        yield {
            "id": finding.id,
            "package": package.name,
            "version": package.version,
            "severity": report_pb2.Severity.Name(finding.severity).removeprefix("SEVERITY_"),
            "fixed": finding.fixed_version,
        }


def main():
    server, image = sys.argv[1:3]
    token = os.environ.get("STRATA_TOKEN")
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(server, options=[("grpc.max_receive_message_length", 256 << 20)]) as channel:
        strata = scan_pb2_grpc.StrataStub(channel)
        request = scan_pb2.SubmitRequest(images=[image], idempotency_key=str(uuid.uuid4()))
        scan = strata.Submit(request, timeout=20, metadata=metadata).scan_id
        rows, reported, last = [], False, 0
        # A stream that breaks goes on after the last event that came; progress has no number of its own.
        while True:
            watch = scan_pb2.WatchRequest(scan_id=scan, after_sequence=last, with_reports=True)
            try:
                for event in strata.Watch(watch, metadata=metadata):
                    last = event.sequence
                    kind = event.WhichOneof("kind")
                    if kind == "reported":
                        reported = True
                        rows.extend(findings(event.reported.report))
                    elif kind == "failed":
                        print(f"no report: {event.failed.message}", file=sys.stderr)
                    elif kind == "finished":
                        print(json.dumps(rows))
                        return 0 if reported else 3
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise


if __name__ == "__main__":
    sys.exit(main())
