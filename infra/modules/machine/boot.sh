#!/bin/sh
# Run once, at the first boot of ${name}: writes two units, which then run at every boot. It holds no secret.
set -eu
umask 077
for program in ${programs}; do
  command -v "$program" >/dev/null || { echo "the machine's image lacks $program" >&2; exit 1; }
done
mkdir -p /etc/sallyport /usr/local/lib/sallyport
cat >/etc/sallyport/files.env <<'ENVIRONMENT'
ZONE_DIR="/run/sallyport"
${environment}
ENVIRONMENT
echo '${fetch}' | base64 -d >/usr/local/lib/sallyport/fetch.sh
echo '${begin}' | base64 -d >/usr/local/lib/sallyport/begin.sh
echo '${files}' | base64 -d >/etc/systemd/system/sallyport-files.service
echo '${unit}' | base64 -d >/etc/systemd/system/sallyport-${zone}.service
chmod 0644 /etc/systemd/system/sallyport-*.service

# Logs go to the zone's own group. The agent that carries them is in the machine's image too.
mkdir -p /var/log/sallyport
cat >/etc/sallyport/logs.json <<'LOGS'
{ "logs": { "logs_collected": { "files": { "collect_list": [
  { "file_path": "/var/log/sallyport/${zone}.log", "log_group_name": "/${name}/${instance}", "log_stream_name": "{instance_id}" }
] } } } }
LOGS
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -c file:/etc/sallyport/logs.json -s

systemctl daemon-reload
systemctl enable --now sallyport-files.service sallyport-${zone}.service
