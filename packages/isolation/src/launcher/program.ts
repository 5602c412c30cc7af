/** As the kernel numbers them (syscalls(2)). */
const calls =
  process.arch === "arm64"
    ? {
        close: 57,
        dup3: 24,
        exit: 94,
        fcntl: 25,
        mount: 40,
        prctl: 167,
        prlimit: 261,
        setgid: 149,
        setgroups: 159,
        setsid: 157,
        setuid: 147,
        sigmask: 135,
        signalfd: 74,
        unmount: 39,
      }
    : {
        close: 3,
        dup3: 292,
        exit: 231,
        fcntl: 72,
        mount: 165,
        prctl: 157,
        prlimit: 302,
        setgid: 119,
        setgroups: 116,
        setsid: 112,
        setuid: 117,
        sigmask: 14,
        signalfd: 289,
        unmount: 166,
      };

/** Of one request, in bytes. All of bubblewrap's arguments must find room in a pipe that nobody reads yet. */
export const requestBytes = 32_768;
/** Of one file that is read, and of what a sandbox's first processes said at their end. */
const readBytes = 2_048;

/**
 * Prepares, starts and puts away the sandboxes of one driver. Node is too large for it: a fork copies its page tables and
 * holds up its event loop until the child has begun, and each of twenty small steps costs it more than the kernel. Perl is
 * there where the probe is, and can make any system call.
 *
 * It reads requests one after the other, each four bytes of length and fields parted by NUL: steps, of which the first
 * that fails ends the request. It answers each with one line: `ok` and what was read, or `no`, the number of the step and
 * the name of the errno. In between it tells of its sandboxes: `began` with the host pid of the first process inside,
 * `ended` with code and last words. It ends with its standard input, and with the thread that started it, and then so
 * does each sandbox.
 *
 * What becomes bubblewrap is in its groups before it is anything else: it writes itself, as 0, into each, which is also
 * what the kernel does without waiting for every processor (cgroup_attach_lock). Nothing of the runner reaches it: no
 * environment, and of descriptors those that are put in place.
 */
export const launcherProgram = String.raw`
use strict; use Errno;
my ($die, $kill, $chld) = (1, 9, 1 << 16);
syscall(${calls.prctl}, $die, $kill, 0, 0, 0);
if (opendir(my $open, "/proc/self/fd")) { my @all = grep { /^\d+$/ && $_ > 2 } readdir($open); closedir($open); syscall(${calls.close}, $_ + 0) for @all }
my ($only, $all, $self) = (pack("Q", $chld), pack("Q", 0), $$);
syscall(${calls.sigmask}, 2, $only, 0, 8);
my $bell = syscall(${calls.signalfd}, -1, $only, 8, 02004000);
exit 1 if $bell < 0;
open(my $rung, "<&=", $bell) or exit 1;
$SIG{PIPE} = "IGNORE";
binmode STDIN; binmode STDOUT;
my (%box, %beginning);

sub name { my $errno = $! + 0; for my $each (sort keys %!) { $! = $errno; return $each if $!{$each} } "errno $errno" }
sub say { my $line = "$_[0]\n"; syswrite(STDOUT, $line) }
sub place { my ($from, $to) = @_; my $high = syscall(${calls.fcntl}, fileno($from), 1030, 64); $high >= 64 && syscall(${calls.dup3}, $high, $to, 0) == $to or die "descriptor $to" }
sub become { my $id = $_[0] + 0; (syscall(${calls.setgroups}, 0, 0) || syscall(${calls.setgid}, $id, $id, $id) || syscall(${calls.setuid}, $id, $id, $id)) == 0 or die "user $id" }

my %steps = (
  mkdir => [2, sub { mkdir($_[0], $_[1]) }],
  chown => [2, sub { chown($_[1], $_[1], $_[0]) }],
  write => [2, sub { my $file; sysopen($file, $_[0], 1) && defined(syswrite($file, $_[1])) }],
  read => [1, sub { my ($file, $text); open($file, "<", $_[0]) && defined(sysread($file, $text, ${readBytes})) ? \$text : 0 }],
  rmdir => [1, sub { rmdir($_[0]) }],
  mount => [3, sub { my ($place, $type, $data) = @_; my $source = "sallyport"; syscall(${calls.mount}, $source, $place, $type, 2 | 4, $data) == 0 }],
  unmount => [1, sub { my $place = $_[0]; syscall(${calls.unmount}, $place, 8) == 0 }],
  kill => [1, sub { reap(); my $box = $box{$_[0]}; kill($kill, $box->{first} || $box->{pid}) if $box; 1 }],
  start => [7, \&start],
);

sub start {
  my ($id, $uid, $pids, $program, $filter, $handover, $groups, $words) = @_;
  pipe(my $args, my $given) && pipe(my $info, my $told) && pipe(my $said, my $err) && pipe(my $block, my $go) or return 0;
  my $text = join("", map { "$_\0" } @$words);
  (syswrite($given, $text) // 0) == length($text) or return 0;
  close $given;
  open(my $calls, "<", $filter) && open(my $null, "+<", "/dev/null") or return 0;
  my $agent;
  socket($agent, 1, 1, 0) && connect($agent, pack("Sa108", 1, $handover)) && syswrite($agent, $id) or return 0;
  my $pid = fork();
  defined $pid or return 0;
  if ($pid == 0) {
    eval {
      place($null, 0); place($null, 1); place($err, 2);
      for my $group (@$groups) { my $file; sysopen($file, $group, 1) && syswrite($file, "0") or die "group $group" }
      place($agent, 3); place($args, 4); place($calls, 5); place($told, 6); place($block, 7) if $pids ne "";
      become($uid) if $uid ne "";
      syscall(${calls.prctl}, $die, $kill, 0, 0, 0) == 0 && getppid() == $self or die "its starter is gone";
      syscall(${calls.setsid});
      $SIG{PIPE} = "DEFAULT"; syscall(${calls.sigmask}, 2, $all, 0, 8);
      exec { $program } "bwrap", "--args", "4", "--", "/sallyport/agent" or die "$program";
    };
    my $why = "bubblewrap could not be run: " . name() . ": " . ($@ =~ /(.*) at -e/ ? $1 : "");
    syswrite(STDERR, $why); syscall(${calls.exit}, 127);
  }
  fcntl($said, 4, 04000);
  $box{$id} = { id => $id, pid => $pid, uid => $uid, pids => $pids, info => $info, heard => "", said => $said, go => $go };
  $beginning{fileno($info)} = $box{$id};
  1;
}

# The first process inside waits for the last piece of this. A reader gone before it would end bubblewrap by SIGPIPE.
sub began {
  my $box = $_[0];
  my $got = sysread($box->{info}, $box->{heard}, 4096, length($box->{heard}));
  return if $got && $box->{heard} !~ /\}/ && length($box->{heard}) < 4096;
  delete $beginning{fileno($box->{info})};
  close $box->{info};
  ($box->{first}) = $box->{heard} =~ /"child-pid":\s*(\d+)\D/;
  return kill($kill, $box->{pid}) if !$box->{first} || $box->{pids} ne "" && !limited($box);
  my $line = "\n"; syswrite($box->{go}, $line); close $box->{go};
  say("began $box->{id} $box->{first}");
}

# Processes and threads by user and user namespace (RLIMIT_NPROC, getrlimit(2)), where there is no group to count them.
# Asked by the sandbox's own user, who needs no right for it: a root in a container often has no CAP_SYS_RESOURCE.
sub limited {
  my ($first, $uid, $limit) = ($_[0]{first} + 0, $_[0]{uid}, pack("QQ", $_[0]{pids}, $_[0]{pids}));
  my $pid = fork() // return 0;
  if ($pid == 0) { my $held = eval { become($uid) if $uid ne ""; syscall(${calls.prlimit}, $first, 6, $limit, 0) == 0 }; syscall(${calls.exit}, $held ? 0 : 1) }
  waitpid($pid, 0); $? == 0;
}

sub reap {
  while ((my $pid = waitpid(-1, 1)) > 0) {
    my $status = $?;
    my ($box) = grep { $_->{pid} == $pid } values %box;
    next unless $box;
    delete $box{$box->{id}}; delete $beginning{fileno($box->{info}) // -1};
    sysread($box->{said}, my $text, ${readBytes});
    say("ended $box->{id} " . ($status & 127 ? "-" : $status >> 8) . " =" . unpack("H*", $text // ""));
  }
}

# Fields: name, errnos that are as good as done, arguments. A start is the last step: groups and arguments are all the rest.
sub did {
  my (@fields) = @_; my ($at, @read) = (0);
  while (@fields) {
    my ($what, $fine) = splice(@fields, 0, 2);
    my ($count, $do) = @{$steps{$what // ""} // exit 1};
    exit 1 if @fields < $count;
    my @given = splice(@fields, 0, $count);
    if ($what eq "start") { push @given, [splice(@fields, 0, pop @given)], [@fields]; @fields = () }
    $! = 0;
    my $done = $do->(@given);
    my $why = $done ? "" : name();
    return "no $at $why" if !$done && !grep { $_ eq $why } split(/ /, $fine);
    push @read, ref $done ? "=" . unpack("H*", $$done) : "-" if $what eq "read";
    $at++;
  }
  join(" ", "ok", @read);
}

my $in = "";
while (1) {
  while (length($in) >= 4) {
    my $length = unpack("N", $in);
    exit 1 if $length > ${requestBytes};
    last if length($in) < 4 + $length;
    my @fields = split(/\0/, substr($in, 4, $length), -1);
    substr($in, 0, 4 + $length) = "";
    say(did(@fields));
  }
  my $ready = "";
  vec($ready, $_, 1) = 1 for 0, $bell, keys %beginning;
  next if select($ready, undef, undef, undef) < 1;
  if (vec($ready, 0, 1)) { sysread(STDIN, $in, 65536, length($in)) or exit 0 }
  for my $each (keys %beginning) { began($beginning{$each}) if vec($ready, $each, 1) }
  if (vec($ready, $bell, 1)) { sysread($rung, my $news, 4096); reap() }
}
`;
