# What stands in for LXD's own where the suites look into LXD's inside. Sourced by run-suite when the daemon is ours.

# Folders and hidden names may stay, other files may not; but a deleted image's stay for a while, for
# `lxc image undelete`.
check_empty() {
    case "$1" in */images/) return 0 ;; esac
    left_behind "$1" "$(find "$1" ! -type d ! -path '*/.*' 2> /dev/null)"
}

# The catalog is an SQLite file of our own; LXD's is inside dqlite. Tables that we don't have hold nothing.
check_empty_table() {
    case "$2" in
        instances | storage_pools) query="$2" ;;
        images) query="images WHERE deleted_at IS NULL" ;;
        images_aliases) query=aliases ;;
        profiles) query="profiles WHERE name != 'default'" ;;
        *) return 0 ;;
    esac
    left_behind "table $2" "$(sqlite3 "${1%/database/global/db.bin}/azekura.db" "SELECT * FROM $query;")"
}

# LXD's clean-up goes on after a failed check; run-suite looks for this file in the end.
left_behind() {
    if [ -n "$2" ]; then
        echo "left in $1: $2" | tee -a "$TEST_DIR.left"
        return 1
    fi
}

# This machine's AppArmor is asked by LXD's own clean-up; our daemon keeps no profiles in its folder.
apparmor_parser() {
    echo /nonexistent
}

# What `lxd sql` does in the tests of LXD. The catalog counts in microseconds since 1970, and is in use.
set_last_use_days_ago() {
    sqlite3 -cmd ".timeout 5000" "$1/azekura.db" \
        "UPDATE images SET last_used_at = $(date -d "$3 days ago" +%s)000000 WHERE fingerprint = '$2';"
}
