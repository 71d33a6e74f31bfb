import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var EntryMessage;
(function (EntryMessage) {
    let _codec;
    EntryMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                obj = { ...obj };
                if (obj.partial != null) {
                    obj.model = undefined;
                }
                if (obj.model != null) {
                    obj.partial = undefined;
                }
                if (obj.model != null) {
                    w.uint32(10);
                    ModelEntryMessage.codec().encode(obj.model, w);
                }
                if (obj.partial != null) {
                    w.uint32(18);
                    PartialEntryMessage.codec().encode(obj.partial, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {};
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.model = ModelEntryMessage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.model
                            });
                            break;
                        }
                        case 2: {
                            obj.partial = PartialEntryMessage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.partial
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                if (obj.partial != null) {
                    delete obj.model;
                }
                if (obj.model != null) {
                    delete obj.partial;
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield* ModelEntryMessage.codec().stream(reader, reader.uint32(), `${prefix}.model`, {
                                limits: opts.limits?.model
                            });
                            break;
                        }
                        case 2: {
                            yield* PartialEntryMessage.codec().stream(reader, reader.uint32(), `${prefix}.partial`, {
                                limits: opts.limits?.partial
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
        return encodeMessage(obj, EntryMessage.codec());
    }
    EntryMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, EntryMessage.codec(), opts);
    }
    EntryMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, EntryMessage.codec(), opts);
    }
    EntryMessage.stream = stream;
})(EntryMessage || (EntryMessage = {}));
export var ModelEntryMessage;
(function (ModelEntryMessage) {
    let _codec;
    ModelEntryMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.id != null && obj.id.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.id);
                }
                if (obj.aliases != null && obj.aliases.length > 0) {
                    for (const value of obj.aliases) {
                        w.uint32(18);
                        w.bytes(value);
                    }
                }
                if ((obj.digest != null && obj.digest.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.digest);
                }
                if (obj.files != null && obj.files.length > 0) {
                    for (const value of obj.files) {
                        w.uint32(34);
                        ModelFileMessage.codec().encode(value, w);
                    }
                }
                if (obj.metadata != null) {
                    w.uint32(42);
                    MetadataMessage.codec().encode(obj.metadata, w);
                }
                if ((obj.retired != null && obj.retired !== false)) {
                    w.uint32(48);
                    w.bool(obj.retired);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    id: uint8ArrayAlloc(0),
                    aliases: [],
                    digest: uint8ArrayAlloc(0),
                    files: [],
                    retired: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.id = reader.bytes();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.aliases != null && obj.aliases.length === opts.limits.aliases) {
                                throw new MaxLengthError('Decode error - repeated field "aliases" had too many elements');
                            }
                            obj.aliases.push(reader.bytes());
                            break;
                        }
                        case 3: {
                            obj.digest = reader.bytes();
                            break;
                        }
                        case 4: {
                            if (opts.limits?.files != null && obj.files.length === opts.limits.files) {
                                throw new MaxLengthError('Decode error - repeated field "files" had too many elements');
                            }
                            obj.files.push(ModelFileMessage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.files$
                            }));
                            break;
                        }
                        case 5: {
                            obj.metadata = MetadataMessage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.metadata
                            });
                            break;
                        }
                        case 6: {
                            obj.retired = reader.bool();
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
                    aliases: 0,
                    files: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.id`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            if (opts.limits?.aliases != null && obj.aliases === opts.limits.aliases) {
                                throw new MaxLengthError('Streaming decode error - repeated field "aliases" had too many elements');
                            }
                            yield {
                                field: `${prefix}.aliases[]`,
                                index: obj.aliases,
                                value: reader.bytes()
                            };
                            obj.aliases++;
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.digest`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 4: {
                            if (opts.limits?.files != null && obj.files === opts.limits.files) {
                                throw new MaxLengthError('Streaming decode error - repeated field "files" had too many elements');
                            }
                            for (const evt of ModelFileMessage.codec().stream(reader, reader.uint32(), `${prefix}.files[]`, {
                                limits: opts.limits?.files$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.files
                                };
                            }
                            obj.files++;
                            break;
                        }
                        case 5: {
                            yield* MetadataMessage.codec().stream(reader, reader.uint32(), `${prefix}.metadata`, {
                                limits: opts.limits?.metadata
                            });
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.retired`,
                                value: reader.bool()
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
        return encodeMessage(obj, ModelEntryMessage.codec());
    }
    ModelEntryMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, ModelEntryMessage.codec(), opts);
    }
    ModelEntryMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, ModelEntryMessage.codec(), opts);
    }
    ModelEntryMessage.stream = stream;
})(ModelEntryMessage || (ModelEntryMessage = {}));
export var ModelFileMessage;
(function (ModelFileMessage) {
    let _codec;
    ModelFileMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.path != null && obj.path.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.path);
                }
                if ((obj.sizeBytes != null && obj.sizeBytes !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.sizeBytes);
                }
                if ((obj.sha256 != null && obj.sha256.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.sha256);
                }
                if ((obj.manifest != null && obj.manifest.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.manifest);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    path: uint8ArrayAlloc(0),
                    sizeBytes: 0,
                    sha256: uint8ArrayAlloc(0),
                    manifest: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.path = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.sizeBytes = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.sha256 = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.manifest = reader.bytes();
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
                                field: `${prefix}.path`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.sizeBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.sha256`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.manifest`,
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
        return encodeMessage(obj, ModelFileMessage.codec());
    }
    ModelFileMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, ModelFileMessage.codec(), opts);
    }
    ModelFileMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, ModelFileMessage.codec(), opts);
    }
    ModelFileMessage.stream = stream;
})(ModelFileMessage || (ModelFileMessage = {}));
export var MetadataMessage;
(function (MetadataMessage) {
    let _codec;
    MetadataMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.format != null && obj.format.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.format);
                }
                if (obj.architecture != null) {
                    w.uint32(18);
                    w.bytes(obj.architecture);
                }
                if (obj.family != null) {
                    w.uint32(26);
                    w.bytes(obj.family);
                }
                if (obj.parameters != null) {
                    w.uint32(32);
                    w.uint64Number(obj.parameters);
                }
                if (obj.quantisation != null) {
                    w.uint32(42);
                    w.bytes(obj.quantisation);
                }
                if (obj.contextLength != null) {
                    w.uint32(48);
                    w.uint64Number(obj.contextLength);
                }
                if (obj.name != null) {
                    w.uint32(58);
                    w.bytes(obj.name);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    format: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.format = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.architecture = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.family = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.parameters = reader.uint64Number();
                            break;
                        }
                        case 5: {
                            obj.quantisation = reader.bytes();
                            break;
                        }
                        case 6: {
                            obj.contextLength = reader.uint64Number();
                            break;
                        }
                        case 7: {
                            obj.name = reader.bytes();
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
                                field: `${prefix}.format`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.architecture`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.family`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.parameters`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.quantisation`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.contextLength`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.name`,
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
        return encodeMessage(obj, MetadataMessage.codec());
    }
    MetadataMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, MetadataMessage.codec(), opts);
    }
    MetadataMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, MetadataMessage.codec(), opts);
    }
    MetadataMessage.stream = stream;
})(MetadataMessage || (MetadataMessage = {}));
export var PartialEntryMessage;
(function (PartialEntryMessage) {
    let _codec;
    PartialEntryMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.sha256 != null && obj.sha256.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.sha256);
                }
                if ((obj.sizeBytes != null && obj.sizeBytes !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.sizeBytes);
                }
                if ((obj.manifest != null && obj.manifest.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.manifest);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    sha256: uint8ArrayAlloc(0),
                    sizeBytes: 0,
                    manifest: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.sha256 = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.sizeBytes = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.manifest = reader.bytes();
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
                                field: `${prefix}.sha256`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.sizeBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.manifest`,
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
        return encodeMessage(obj, PartialEntryMessage.codec());
    }
    PartialEntryMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, PartialEntryMessage.codec(), opts);
    }
    PartialEntryMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, PartialEntryMessage.codec(), opts);
    }
    PartialEntryMessage.stream = stream;
})(PartialEntryMessage || (PartialEntryMessage = {}));
