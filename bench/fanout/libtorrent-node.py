#!/usr/bin/python3
"""One libtorrent peer among others that are named beforehand: no tracker, no DHT, no discovery, TCP only.

libtorrent-node.py torrent FILE PIECE_BYTES OUT        writes a torrent for FILE
libtorrent-node.py peer '{"address", "peers": [], "torrent", "directory", "seed": bool, "super": bool,
                          "start": epoch seconds}'
Prints {"seconds", "wastedBytes"} once it is complete (a seed: once it has begun), then serves until it is ended."""
import json
import sys
import time

import libtorrent

PORT = 6881


def make_torrent(path, piece_bytes, out):
    files = libtorrent.file_storage()
    libtorrent.add_files(files, path)
    maker = libtorrent.create_torrent(files, piece_size=piece_bytes, flags=libtorrent.create_torrent.v1_only)
    libtorrent.set_piece_hashes(maker, path.rsplit("/", 1)[0])
    with open(out, "wb") as handle:
        handle.write(libtorrent.bencode(maker.generate()))


def session_for(address):
    off = dict.fromkeys(
        ["enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp", "enable_incoming_utp", "enable_outgoing_utp"], False
    )
    # All peers at once and many blocks under way: the defaults are for the open Internet.
    fleet = {
        "allow_multiple_connections_per_ip": True,
        "connection_speed": 500,
        "min_reconnect_time": 1,
        "unchoke_slots_limit": -1,
        "max_out_request_queue": 2000,
        "request_queue_time": 3,
    }
    return libtorrent.session({"listen_interfaces": f"{address}:{PORT}", "alert_mask": 0, **off, **fleet})


def peer(order):
    session = session_for(order["address"])
    params = libtorrent.add_torrent_params()
    params.ti = libtorrent.torrent_info(order["torrent"])
    params.save_path = order["directory"]
    params.flags &= ~libtorrent.torrent_flags.auto_managed
    params.flags |= libtorrent.torrent_flags.paused
    if order["seed"]:
        params.flags |= libtorrent.torrent_flags.seed_mode
        if order["super"]:
            params.flags |= libtorrent.torrent_flags.super_seeding
    torrent = session.add_torrent(params)
    time.sleep(max(0.0, order["start"] - time.time()))
    torrent.resume()
    for other in order["peers"]:
        torrent.connect_peer((other, PORT))
    while not torrent.status().is_seeding:
        time.sleep(0.02)
    status = torrent.status()
    wasted = status.total_redundant_bytes + status.total_failed_bytes
    print(json.dumps({"seconds": time.time() - order["start"], "wastedBytes": wasted}), flush=True)
    time.sleep(3600)


if sys.argv[1] == "torrent":
    make_torrent(sys.argv[2], int(sys.argv[3]), sys.argv[4])
else:
    peer(json.loads(sys.argv[2]))
