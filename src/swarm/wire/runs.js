import { decodeMessage, encodeMessage, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var RunsRequest;
(function (RunsRequest) {
    let _codec;
    RunsRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.draft != null && obj.draft.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.draft);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    draft: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.draft = reader.bytes();
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
                                field: `${prefix}.draft`,
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
        return encodeMessage(obj, RunsRequest.codec());
    }
    RunsRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, RunsRequest.codec(), opts);
    }
    RunsRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, RunsRequest.codec(), opts);
    }
    RunsRequest.stream = stream;
})(RunsRequest || (RunsRequest = {}));
export var RunMessage;
(function (RunMessage) {
    let _codec;
    RunMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.draft != null && obj.draft.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.draft);
                }
                if ((obj.reader != null && obj.reader.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.reader);
                }
                if ((obj.first != null && obj.first !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.first);
                }
                if ((obj.hashes != null && obj.hashes.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.hashes);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    draft: uint8ArrayAlloc(0),
                    reader: uint8ArrayAlloc(0),
                    first: 0,
                    hashes: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.draft = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.reader = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.first = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.hashes = reader.bytes();
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
                                field: `${prefix}.draft`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.reader`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.first`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.hashes`,
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
        return encodeMessage(obj, RunMessage.codec());
    }
    RunMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, RunMessage.codec(), opts);
    }
    RunMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, RunMessage.codec(), opts);
    }
    RunMessage.stream = stream;
})(RunMessage || (RunMessage = {}));
export var SignedRunMessage;
(function (SignedRunMessage) {
    let _codec;
    SignedRunMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.run != null && obj.run.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.run);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.signature);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    run: uint8ArrayAlloc(0),
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.run = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.signature = reader.bytes();
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
                                field: `${prefix}.run`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.signature`,
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
        return encodeMessage(obj, SignedRunMessage.codec());
    }
    SignedRunMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, SignedRunMessage.codec(), opts);
    }
    SignedRunMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, SignedRunMessage.codec(), opts);
    }
    SignedRunMessage.stream = stream;
})(SignedRunMessage || (SignedRunMessage = {}));
