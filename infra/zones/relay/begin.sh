#!/bin/sh
# Before a relay's server starts: its disk is mounted, and it is told of the others.
#   NODES  `name=address …` of all relays of the cluster
set -eu
disk=/dev/nvme1n1
while ! [ -b "$disk" ]; do sleep 1; done
# Only a disk that never held anything is formatted; one with anything else than streams is not this one.
case $(blkid -p -o value -s TYPE -s PTTYPE "$disk" || :) in
'') mkfs.ext4 -q -L sallyport "$disk" ;;
ext4) ;;
*) echo "$disk is not the relay's disk for streams" >&2 && exit 1 ;;
esac
mkdir -p /var/lib/sallyport
mountpoint -q /var/lib/sallyport || mount -o nodev,nosuid,noexec "$disk" /var/lib/sallyport

id sallyport-relay >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin sallyport-relay
. /usr/local/lib/sallyport/cluster.sh
chown -R sallyport-relay: "$ZONE_DIR" /var/lib/sallyport
touch /var/log/sallyport/relay.log
