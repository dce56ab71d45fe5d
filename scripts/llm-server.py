"""Runs llama.cpp's server in this process and prints 'ready URL'; see llm-server."""

import argparse
import signal

import xllamacpp

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--context", type=int, default=2048)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--api-key")
args = parser.parse_args()

params = xllamacpp.CommonParams()
params.model.path = args.model
params.model_alias = {"smollm2"}
params.hostnames = ["127.0.0.1"]
params.port = args.port
params.n_ctx = args.context
params.n_parallel = 1
params.endpoint_slots = True
params.cpuparams.n_threads = args.threads
if args.api_key:
    params.api_keys = [args.api_key]
server = xllamacpp.Server(params)
print("ready", server.listening_address, flush=True)
signal.pause()
