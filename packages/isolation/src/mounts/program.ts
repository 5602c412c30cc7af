/** As the kernel numbers them (syscalls(2)); MS_NOSUID, MS_NODEV, UMOUNT_NOFOLLOW and PR_SET_PDEATHSIG are the same on both. */
const numbers =
  process.arch === "arm64"
    ? { mount: 40, umount2: 39, prctl: 167, close: 57 }
    : { mount: 165, umount2: 166, prctl: 157, close: 3 };

/** Of one request, in bytes. */
export const requestBytes = 16_384;

/**
 * Mounts and unmounts for one driver: starting `mount` and `umount` anew for each sandbox costs more than the calls. Perl
 * is there where the probe is, and can make any system call.
 *
 * It reads requests one after the other, each four bytes of length and fields parted by NUL, and answers each with one
 * line: `ok`, or the name of the errno. It ends with its standard input, and with the thread that started it. What the
 * runner inherited from its own starter, a lock or a control socket, it does not hold on to.
 */
export const mounterProgram = String.raw`
use strict; use Errno;
syscall(${numbers.prctl}, 1, 9, 0, 0, 0);
if (opendir(my $open, "/proc/self/fd")) { my @all = grep { /^\d+$/ && $_ > 2 } readdir($open); closedir($open); syscall(${numbers.close}, $_ + 0) for @all }
binmode STDIN; binmode STDOUT;
sub take { my ($want, $got) = (shift, ""); while (length($got) < $want) { sysread(STDIN, $got, $want - length($got), length($got)) or exit 0 } $got }
sub name { my $errno = $! + 0; for my $each (sort keys %!) { $! = $errno; return $each if $!{$each} } "errno $errno" }
while (1) {
  my $length = unpack("N", take(4));
  exit 1 if $length > ${requestBytes};
  my ($what, $place, $type, $data, @more) = split(/\0/, take($length), -1);
  my $source = "sallyport";
  my $did;
  if ($what eq "mount" && defined $data && !@more) { $did = syscall(${numbers.mount}, $source, $place, $type, 2 | 4, $data) }
  elsif ($what eq "unmount" && defined $place && !defined $type) { $did = syscall(${numbers.umount2}, $place, 8) }
  else { exit 1 }
  my $answer = ($did == -1 ? name() : "ok") . "\n";
  syswrite(STDOUT, $answer);
}
`;
