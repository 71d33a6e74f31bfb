import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var GossipMessage;
(function (GossipMessage) {
    let _codec;
    GossipMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.head != null && obj.head.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.head);
                }
                if (obj.delta != null) {
                    w.uint32(18);
                    DeltaMessage.codec().encode(obj.delta, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    head: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.head = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.delta = DeltaMessage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.delta
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.head`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield* DeltaMessage.codec().stream(reader, reader.uint32(), `${prefix}.delta`, {
                                limits: opts.limits?.delta
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, GossipMessage.codec());
    }
    GossipMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, GossipMessage.codec(), opts);
    }
    GossipMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, GossipMessage.codec(), opts);
    }
    GossipMessage.stream = stream;
})(GossipMessage || (GossipMessage = {}));
export var DeltaMessage;
(function (DeltaMessage) {
    let _codec;
    DeltaMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.baseSeq != null && obj.baseSeq !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.baseSeq);
                }
                if (obj.meta != null) {
                    w.uint32(18);
                    w.bytes(obj.meta);
                }
                if (obj.added != null && obj.added.length > 0) {
                    for (const value of obj.added) {
                        w.uint32(26);
                        w.bytes(value);
                    }
                }
                if (obj.removed != null && obj.removed.length > 0) {
                    for (const value of obj.removed) {
                        w.uint32(34);
                        w.bytes(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    baseSeq: 0,
                    added: [],
                    removed: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.baseSeq = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.meta = reader.bytes();
                            break;
                        }
                        case 3: {
                            if (opts.limits?.added != null && obj.added.length === opts.limits.added) {
                                throw new MaxLengthError('Decode error - repeated field "added" had too many elements');
                            }
                            obj.added.push(reader.bytes());
                            break;
                        }
                        case 4: {
                            if (opts.limits?.removed != null && obj.removed.length === opts.limits.removed) {
                                throw new MaxLengthError('Decode error - repeated field "removed" had too many elements');
                            }
                            obj.removed.push(reader.bytes());
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    added: 0,
                    removed: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.baseSeq`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.meta`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            if (opts.limits?.added != null && obj.added === opts.limits.added) {
                                throw new MaxLengthError('Streaming decode error - repeated field "added" had too many elements');
                            }
                            yield {
                                field: `${prefix}.added[]`,
                                index: obj.added,
                                value: reader.bytes()
                            };
                            obj.added++;
                            break;
                        }
                        case 4: {
                            if (opts.limits?.removed != null && obj.removed === opts.limits.removed) {
                                throw new MaxLengthError('Streaming decode error - repeated field "removed" had too many elements');
                            }
                            yield {
                                field: `${prefix}.removed[]`,
                                index: obj.removed,
                                value: reader.bytes()
                            };
                            obj.removed++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, DeltaMessage.codec());
    }
    DeltaMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, DeltaMessage.codec(), opts);
    }
    DeltaMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, DeltaMessage.codec(), opts);
    }
    DeltaMessage.stream = stream;
})(DeltaMessage || (DeltaMessage = {}));
export var HeadsMessage;
(function (HeadsMessage) {
    let _codec;
    HeadsMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.heads != null && obj.heads.length > 0) {
                    for (const value of obj.heads) {
                        w.uint32(10);
                        KnownHeadMessage.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    heads: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.heads != null && obj.heads.length === opts.limits.heads) {
                                throw new MaxLengthError('Decode error - repeated field "heads" had too many elements');
                            }
                            obj.heads.push(KnownHeadMessage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.heads$
                            }));
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    heads: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.heads != null && obj.heads === opts.limits.heads) {
                                throw new MaxLengthError('Streaming decode error - repeated field "heads" had too many elements');
                            }
                            for (const evt of KnownHeadMessage.codec().stream(reader, reader.uint32(), `${prefix}.heads[]`, {
                                limits: opts.limits?.heads$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.heads
                                };
                            }
                            obj.heads++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, HeadsMessage.codec());
    }
    HeadsMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, HeadsMessage.codec(), opts);
    }
    HeadsMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, HeadsMessage.codec(), opts);
    }
    HeadsMessage.stream = stream;
})(HeadsMessage || (HeadsMessage = {}));
export var KnownHeadMessage;
(function (KnownHeadMessage) {
    let _codec;
    KnownHeadMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.head != null && obj.head.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.head);
                }
                if ((obj.ageMs != null && obj.ageMs !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.ageMs);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    head: uint8ArrayAlloc(0),
                    ageMs: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.head = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.ageMs = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.head`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.ageMs`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, KnownHeadMessage.codec());
    }
    KnownHeadMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, KnownHeadMessage.codec(), opts);
    }
    KnownHeadMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, KnownHeadMessage.codec(), opts);
    }
    KnownHeadMessage.stream = stream;
})(KnownHeadMessage || (KnownHeadMessage = {}));
export var RecordRequest;
(function (RecordRequest) {
    let _codec;
    RecordRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.peerId != null && obj.peerId.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.peerId);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    peerId: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.peerId = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.peerId`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, RecordRequest.codec());
    }
    RecordRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, RecordRequest.codec(), opts);
    }
    RecordRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, RecordRequest.codec(), opts);
    }
    RecordRequest.stream = stream;
})(RecordRequest || (RecordRequest = {}));
export var RecordOutline;
(function (RecordOutline) {
    let _codec;
    RecordOutline.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.head != null && obj.head.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.head);
                }
                if ((obj.meta != null && obj.meta.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.meta);
                }
                if ((obj.entryHashes != null && obj.entryHashes.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.entryHashes);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    head: uint8ArrayAlloc(0),
                    meta: uint8ArrayAlloc(0),
                    entryHashes: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.head = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.meta = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.entryHashes = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.head`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.meta`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.entryHashes`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, RecordOutline.codec());
    }
    RecordOutline.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, RecordOutline.codec(), opts);
    }
    RecordOutline.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, RecordOutline.codec(), opts);
    }
    RecordOutline.stream = stream;
})(RecordOutline || (RecordOutline = {}));
export var EntriesRequest;
(function (EntriesRequest) {
    let _codec;
    EntriesRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.wanted != null && obj.wanted.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.wanted);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    wanted: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.wanted = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.wanted`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, EntriesRequest.codec());
    }
    EntriesRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, EntriesRequest.codec(), opts);
    }
    EntriesRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, EntriesRequest.codec(), opts);
    }
    EntriesRequest.stream = stream;
})(EntriesRequest || (EntriesRequest = {}));
export var EntriesMessage;
(function (EntriesMessage) {
    let _codec;
    EntriesMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.entries != null && obj.entries.length > 0) {
                    for (const value of obj.entries) {
                        w.uint32(10);
                        w.bytes(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    entries: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.entries != null && obj.entries.length === opts.limits.entries) {
                                throw new MaxLengthError('Decode error - repeated field "entries" had too many elements');
                            }
                            obj.entries.push(reader.bytes());
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    entries: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.entries != null && obj.entries === opts.limits.entries) {
                                throw new MaxLengthError('Streaming decode error - repeated field "entries" had too many elements');
                            }
                            yield {
                                field: `${prefix}.entries[]`,
                                index: obj.entries,
                                value: reader.bytes()
                            };
                            obj.entries++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, EntriesMessage.codec());
    }
    EntriesMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, EntriesMessage.codec(), opts);
    }
    EntriesMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, EntriesMessage.codec(), opts);
    }
    EntriesMessage.stream = stream;
})(EntriesMessage || (EntriesMessage = {}));
