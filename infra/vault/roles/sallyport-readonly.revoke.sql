SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = '{{name}}';
DROP OWNED BY "{{name}}";
DROP ROLE "{{name}}";
