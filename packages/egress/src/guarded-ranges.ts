/** What a range means for whoever wants to dial into it. The most specific range that holds an address decides. */
export interface Range {
  readonly cidr: string;
  /**
   * `allow`; `never`; `private`: for those who may reach private networks; `literal`: only where the route names that very address; a function: an IPv4 address is embedded,
   * and what it is decides.
   */
  readonly rule:
    | "allow"
    | "private"
    | "never"
    | "literal"
    | ((bytes: readonly number[]) => readonly number[][]);
  readonly is: string;
  readonly source: string;
}

const lastFour = (bytes: readonly number[]) => [bytes.slice(12)];

export const RANGES: readonly Range[] = [
  // Metadata services: whoever reaches one holds the machine's own credentials.
  {
    cidr: "169.254.0.0/16",
    rule: "never",
    is: "link-local, the metadata services of most clouds",
    source: "RFC 3927",
  },
  {
    cidr: "100.100.100.200/32",
    rule: "never",
    is: "metadata service of Alibaba Cloud",
    source: "Alibaba Cloud ECS",
  },
  { cidr: "168.63.129.16/32", rule: "never", is: "wire server of Azure", source: "Azure virtual network" },
  {
    cidr: "192.0.0.192/32",
    rule: "never",
    is: "metadata service of Oracle Cloud",
    source: "Oracle Cloud Classic",
  },
  { cidr: "fd00:ec2::/32", rule: "never", is: "metadata services of AWS", source: "Amazon EC2, EKS" },
  {
    cidr: "fd20:ce::254/128",
    rule: "never",
    is: "metadata service of Google Cloud",
    source: "Google Compute Engine",
  },
  {
    cidr: "fd00:42::42/128",
    rule: "never",
    is: "metadata service of Scaleway",
    source: "Scaleway Instances",
  },
  { cidr: "fe80::/10", rule: "never", is: "link-local", source: "RFC 4291, section 2.5.6" },

  // This machine.
  { cidr: "127.0.0.0/8", rule: "literal", is: "loopback", source: "RFC 1122, section 3.2.1.3" },
  { cidr: "::1/128", rule: "literal", is: "loopback", source: "RFC 4291, section 2.5.3" },
  {
    cidr: "0.0.0.0/8",
    rule: "never",
    is: "this network (dials this machine)",
    source: "RFC 1122, section 3.2.1.3",
  },
  {
    cidr: "::/128",
    rule: "never",
    is: "unspecified (dials this machine)",
    source: "RFC 4291, section 2.5.2",
  },

  // Private networks: where the servers are that we exist for.
  { cidr: "10.0.0.0/8", rule: "private", is: "private", source: "RFC 1918" },
  { cidr: "172.16.0.0/12", rule: "private", is: "private", source: "RFC 1918" },
  { cidr: "192.168.0.0/16", rule: "private", is: "private", source: "RFC 1918" },
  { cidr: "100.64.0.0/10", rule: "private", is: "shared, behind a carrier's NAT", source: "RFC 6598" },
  { cidr: "fc00::/7", rule: "private", is: "unique local", source: "RFC 4193" },

  // Addresses that carry an IPv4 address, and with it any of the above in another notation.
  { cidr: "::ffff:0:0/96", rule: lastFour, is: "IPv4-mapped", source: "RFC 4291, section 2.5.5.2" },
  { cidr: "::/96", rule: lastFour, is: "IPv4-compatible", source: "RFC 4291, section 2.5.5.1" },
  { cidr: "::ffff:0:0:0/96", rule: lastFour, is: "IPv4-translated", source: "RFC 2765, section 2.1" },
  { cidr: "64:ff9b::/96", rule: lastFour, is: "NAT64", source: "RFC 6052" },
  { cidr: "64:ff9b:1::/48", rule: "never", is: "NAT64 of unknown layout", source: "RFC 8215" },
  { cidr: "2002::/16", rule: (bytes) => [bytes.slice(2, 6)], is: "6to4", source: "RFC 3056" },
  {
    cidr: "2001::/32",
    rule: (bytes) => [bytes.slice(4, 8), bytes.slice(12).map((byte) => byte ^ 0xff)],
    is: "Teredo, its server and its client",
    source: "RFC 4380, section 4",
  },

  // Not one machine, or none at all.
  { cidr: "192.0.0.0/24", rule: "never", is: "protocol assignments", source: "RFC 6890" },
  { cidr: "192.0.2.0/24", rule: "never", is: "documentation", source: "RFC 5737" },
  { cidr: "198.51.100.0/24", rule: "never", is: "documentation", source: "RFC 5737" },
  { cidr: "203.0.113.0/24", rule: "never", is: "documentation", source: "RFC 5737" },
  { cidr: "192.88.99.0/24", rule: "never", is: "6to4 relay", source: "RFC 7526" },
  { cidr: "198.18.0.0/15", rule: "never", is: "benchmarking", source: "RFC 2544" },
  { cidr: "224.0.0.0/4", rule: "never", is: "multicast", source: "RFC 5771" },
  { cidr: "240.0.0.0/4", rule: "never", is: "reserved", source: "RFC 1112, section 4" },
  { cidr: "255.255.255.255/32", rule: "never", is: "broadcast", source: "RFC 919" },
  { cidr: "0.0.0.0/0", rule: "allow", is: "public", source: "RFC 791" },
  { cidr: "2001::/23", rule: "never", is: "protocol assignments", source: "RFC 2928" },
  { cidr: "2001:db8::/32", rule: "never", is: "documentation", source: "RFC 3849" },
  { cidr: "3fff::/20", rule: "never", is: "documentation", source: "RFC 9637" },
  { cidr: "2001:2::/48", rule: "never", is: "benchmarking", source: "RFC 5180" },
  { cidr: "100::/64", rule: "never", is: "discard", source: "RFC 6666" },
  { cidr: "5f00::/16", rule: "never", is: "segment routing", source: "RFC 9602" },
  { cidr: "fec0::/10", rule: "never", is: "site-local, withdrawn", source: "RFC 3879" },
  { cidr: "ff00::/8", rule: "never", is: "multicast", source: "RFC 4291, section 2.7" },
  { cidr: "2000::/3", rule: "allow", is: "public", source: "RFC 4291, section 2.5.4" },
  { cidr: "::/0", rule: "never", is: "reserved", source: "RFC 4291, section 2.4" },
];
