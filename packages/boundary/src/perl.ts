/** Words that every piece of Perl of the list begins with. Perl is in the base of Debian and its kin. */
export const perlWords = String.raw`use strict; use warnings; no warnings; use Errno; use Socket; $| = 1;
sub name { for my $each (sort keys %!) { return $each if $!{$each} } "errno " . ($! + 0) }
sub slurp { open(my $f, "<", $_[0]) or return ""; local $/; my $t = <$f>; defined $t ? $t : "" }
sub to_write { sysopen(my $f, $_[0], 1) ? "allowed" : name() }
sub to_make { sysopen(my $f, $_[0], 65) ? "allowed" : name() }
sub to_read { open(my $f, "<", $_[0]) ? "allowed" : name() }
sub names { opendir(my $d, $_[0]) or return (); sort grep { !/^\.\.?$/ } readdir($d) }
sub walk { my ($at, $each) = @_; for (names($at)) { my $p = "$at/$_"; next if -l $p; if (-d _) { walk($p, $each) } else { $each->($p) } } }
sub pids { grep { /^\d+$/ } names("/proc") }
sub unix_to { socket(my $s, AF_UNIX, SOCK_STREAM, 0) or return name(); connect($s, pack("S a*", AF_UNIX, $_[0])) ? "reached" : name() }
sub tcp_to { my ($host, $port) = @_; socket(my $s, AF_INET, SOCK_STREAM, 0) or return name(); connect($s, pack_sockaddr_in($port, inet_aton($host))) ? "reached" : name() }
sub door { my ($bytes, $enough) = @_; socket(my $s, AF_UNIX, SOCK_STREAM, 0) or return name(); connect($s, pack_sockaddr_un("/run/sallyport/egress.sock")) or return name(); syswrite($s, $bytes); my $got = ""; local $SIG{ALRM} = sub { die "late\n" }; alarm 8; eval { while (sysread($s, my $p, 65536)) { $got .= $p; last if defined $enough && $got =~ $enough } }; alarm 0; $got . ($@ ? "[$@]" : "") }
`;
