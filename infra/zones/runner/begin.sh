#!/bin/sh
# Before a runner starts: its bundle is checked and made into its settings, and the machine gets what sandboxes need.
set -eu
sallyport zone install "$ZONE_DIR/bundle.json" --dir "$ZONE_DIR" --operator "$OPERATOR"

# Sandboxes are made of user namespaces. Not every kernel has each of these switches.
for setting in user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0; do
  name=${setting%%=*}
  [ ! -e "/proc/sys/$(echo "$name" | tr . /)" ] || sysctl -q -w "$setting"
done

# A cgroup without processes, whose children the runner makes: one for each sandbox.
if ! [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  echo "the machine's image has no cgroup v2" >&2
  exit 1
fi
echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/sallyport
echo "+cpu +memory +pids" >/sys/fs/cgroup/sallyport/cgroup.subtree_control
mkdir -p -m 0711 /var/lib/sallyport-sandboxes
