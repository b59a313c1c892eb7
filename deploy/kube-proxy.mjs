#!/nodejs/bin/node --max-semi-space-size=4
// The agent under kube-proxy's name and with kube-proxy's arguments: `kube-proxy --config=FILE` is `flowproxy run --config=FILE`.
process.argv.splice(2, 0, 'run')
await import('/app/dist/cli/main.js')
