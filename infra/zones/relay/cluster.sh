# Writes relay.conf: what `sallyport init` made, and the routes between the relays, mutual TLS on both sides.
routes=
for node in $NODES; do
  name=${node%%=*} address=${node#*=}
  grep -q " $name.relay.internal\$" "${HOSTS:-/etc/hosts}" || echo "$address $name.relay.internal" >>"${HOSTS:-/etc/hosts}"
  [ "$name" = "$INSTANCE" ] || routes="$routes \"nats-route://$name.relay.internal:6222\","
done
cat >"$ZONE_DIR/relay.conf" <<CONF
include "./nats-server.conf"
server_name: "$INSTANCE"
cluster {
  name: "sallyport"
  listen: "0.0.0.0:6222"
  no_advertise: true
  routes: [$routes ]
  tls {
    cert_file: "$ZONE_DIR/cluster.crt"
    key_file: "$ZONE_DIR/cluster.key"
    ca_file: "$ZONE_DIR/cluster-ca.pem"
    verify: true
    timeout: 5
  }
}
CONF
