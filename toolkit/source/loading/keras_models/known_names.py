"""The classes and functions of Keras that a configuration may name; `known_symbols` has TensorFlow's functions.

The names are read from the registries of Keras 3.15.1 (keras.src.api_export) and of tf-keras 2.21.0 (the tables from which its layers and
initializers are made again). A name is left out if it takes a function, code or another model (Lambda, JaxLayer, TFSMLayer, wrappers of RNN cells),
reaches for files or the network, prints, or changes settings of the process. Lookup layers are in: `vetting` judges the value of their vocabulary.

LayerScale and StochasticDepth are layers of networks that come with Keras (ConvNeXt).
"""

from __future__ import annotations

# Layers, of Keras 1 to 3.
LAYERS = frozenset(
    """
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
    AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AddLoss AddMetric AdditiveAttention
    AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D
    AvgPool2D AvgPool3D BatchNormalization BatchNormalizationV1 BatchNormalizationV2 Bidirectional CategoryEncoding
    CenterCrop Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D
    Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose
    Convolution2D Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D
    CuDNNGRU CuDNNLSTM CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense
    Embedding Equalization Flatten GRU GRUCell GRUCellV1 GRUCellV2 GRUV1 GRUV2 GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
    GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GroupNormalization GroupQueryAttention GroupedQueryAttention HashedCrossing Hashing Identity
    InputLayer IntegerLookup LSTM LSTMCell LSTMCellV1 LSTMCellV2 LSTMV1 LSTMV2 LayerNormalization LayerScale LeakyReLU
    LocallyConnected1D LocallyConnected2D Masking MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D
    MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp MultiHeadAttention Multiply Normalization PReLU
    Permute Pipeline RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
    RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomFourierFeatures
    RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization
    RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom ReLU
    RepeatVector Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D
    SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax Solarization SpatialDropout1D
    SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StochasticDepth StringLookup Subtract
    SyncBatchNormalization TextVectorization ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D
    UpSampling2D UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """.split()
)
MODELS = frozenset(("Functional", "Model", "Sequential"))
# What layers and models are made with: initializers, regularizers, constraints, policies, losses, metrics, optimizers.
PARTS = frozenset(
    """
    AUC AWQConfig AWQDTypePolicy AbsMaxQuantizer Accuracy Adadelta Adafactor Adagrad Adam AdamW Adamax
    BinaryAccuracy BinaryCrossentropy BinaryFocalCrossentropy BinaryIoU CTC CategoricalAccuracy
    CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge Circle
    CompileMetrics ConcordanceCorrelation Constant ConstantV2 Constraint CosineDecay CosineDecayRestarts
    CosineSimilarity DTypePolicy DTypePolicyMap Dice ExponentialDecay F1Score FBetaScore FalseNegatives
    FalsePositives Float8QuantizationConfig FloatDTypePolicy Ftrl GPTQConfig GPTQDTypePolicy GlorotNormal
    GlorotNormalV2 GlorotUniform GlorotUniformV2 HeNormal HeNormalV2 HeUniform HeUniformV2 Hinge Huber Identity
    IdentityV2 Initializer InputSpec Int4DTypePolicy Int4QuantizationConfig Int8QuantizationConfig InverseTimeDecay
    IoU KLDivergence L1 L1L2 L2 Lamb LearningRateSchedule LecunNormal LecunNormalV2 LecunUniform LecunUniformV2 Lion
    LogCosh LogCoshError Loss LossFunctionWrapper LossScaleOptimizer MaxNorm Mean MeanAbsoluteError
    MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanRelativeError MeanSquaredError
    MeanSquaredLogarithmicError MeanTensor Metric MetricsList MinMaxNorm MultiOptimizer Muon Nadam NonNeg OneHotIoU
    OneHotMeanIoU Ones OnesV2 Optimizer OptimizerMap Orthogonal OrthogonalRegularizer OrthogonalV2
    PearsonCorrelation PiecewiseConstantDecay Poisson Policy PolicyV1 PolynomialDecay Precision PrecisionAtRecall
    PyMetric QuantizationConfig QuantizedDTypePolicy QuantizedFloat8DTypePolicy R2Score RMSprop RadialConstraint
    RandomNormal RandomNormalV2 RandomUniform RandomUniformV2 Recall RecallAtPrecision Reduction Regularizer
    RootMeanSquaredError SGD STFT ScheduleFreeAdamW SeedGenerator SensitivityAtSpecificity SparseCategoricalAccuracy
    SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
    TopKCategoricalAccuracy TrueNegatives TruePositives TruncatedNormal TruncatedNormalV2 Tversky UnitNorm
    VarianceScaling VarianceScalingV2 Zeros ZerosV2 constant glorot_normal glorot_normalV2 glorot_uniform
    glorot_uniformV2 he_normal he_normalV2 he_uniform he_uniformV2 identity initializer l1 l2 lecun_normal
    lecun_normalV2 lecun_uniform lecun_uniformV2 max_norm min_max_norm non_neg normal one ones orthogonal
    orthogonal_regularizer radial_constraint random_normal random_uniform truncated_normal uniform unit_norm
    variance_scaling zero zeros
    """.split()
)
# Classes of keras.src.ops: nodes of a functional model of Keras 3, such as `x * 2`.
OPERATIONS = frozenset(
    """
    Abs Absolute AdaptiveAveragePool AdaptiveMaxPool Add AffineTransform All AllClose Amax Amin Angle Any Append
    Arange Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Argpartition Argsort Array ArraySplit
    Average AveragePool BatchNorm BinaryCrossentropy Bincount BitwiseAnd BitwiseInvert BitwiseLeftShift BitwiseNot
    BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo CDist CTCDecode CTCLoss Cast CategoricalCrossentropy Cbrt
    Ceil Celu Cholesky CholeskyInverse Clip Concatenate Conj Conjugate Conv ConvTranspose ConvertToTensor Copy
    Corrcoef Correlate Cos Cosh CountNonzero CropImages Cross Cumprod Cumsum Deg2rad DepthToSpace DepthwiseConv Det
    Diag Diagflat Diagonal Diff Digitize Divide DivideNoNan Dot DotProductAttention Dsplit Dstack Eig Eigh Einsum
    ElasticTransform Elu EmptyLike Equal Erf Erfc Erfinv Exp Exp2 ExpandDims Expm1 ExtractPatches ExtractSequences
    FFT FFT2 Fabs Flip Fliplr Flipud Floor FloorDivide Fmax Fmin Fmod Fold Full FullLike GaussianBlur Gcd Gelu
    Geomspace GetItem Glu Greater GreaterEqual HSVToRGB HardShrink HardSigmoid HardSilu HardTanh Heaviside Histogram
    Hsplit Hstack Hypot I0 IFFT2 IRFFT ISTFT Imag InTopK Inner Inv IsIn Isclose Isfinite Isinf Isnan Isneginf
    Isposinf Isreal Kron LayerNorm Lcm Ldexp LeakyRelu LeftShift Less LessEqual Linspace Log Log10 Log1p Log2
    LogSigmoid LogSoftmax Logaddexp Logaddexp2 Logdet LogicalAnd LogicalNot LogicalOr LogicalXor Logspace Logsumexp
    Lstsq LuFactor MapCoordinates Matmul MatrixRank Max MaxPool Maximum Mean Median Meshgrid Min Minimum Mod Moments
    Moveaxis MultiHot Multiply NanToNum Nanargmax Nanargmin Nancumprod Nancumsum Nanmax Nanmean Nanmedian Nanmin
    Nanpercentile Nanprod Nanquantile Nanstd Nansum Nanvar Ndim Negative Nextafter Nonzero Norm Normalize NotEqual
    OneHot OnesLike Outer PSNR Pad PadImages Percentile PerspectiveTransform Pinv Polar Power Prod Ptp Qr Quantile
    RFFT RGBToGrayscale RGBToHSV RMSNorm Rad2deg Ravel Real Rearrange Reciprocal Relu Relu6 Repeat Reshape Resize
    RightShift Roll Rot90 Round Rsqrt SSIM STFT SVD SaturateCast ScaleAndTranslate Scatter ScatterUpdate
    SearchSorted SegmentMax SegmentMin SegmentProd SegmentReduction SegmentSum Select Selu SeparableConv Sigmoid
    Sign Signbit Silu Sin Sinc Sinh Size Slice SliceUpdate Slogdet SobelEdges SoftShrink Softmax Softplus Softsign
    Solve SolveTriangular Sort SpaceToDepth SparseCategoricalCrossentropy SparsePlus SparseSigmoid Sparsemax Split
    Sqrt Square Squareplus Squeeze Stack Std StopGradient Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh
    TanhShrink Tensordot Threshold Tile TopK Trace Transpose Trapezoid Tril Triu TrueDivide Trunc Unfold Unique
    UnravelIndex Unstack Vander Var Vdot View ViewAsComplex ViewAsReal Vsplit Vstack Where ZerosLike
    """.split()
)
# Functions by name: activations, losses, metrics, and keras.ops.
FUNCTIONS = frozenset(
    """
    KLD MAE MAPE MSE MSLE abs absolute adaptive_average_pool adaptive_max_pool add affine_transform all allclose
    amax amin angle any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin
    argpartition argsort array array_split average average_pool bartlett batch_normalization binary_accuracy
    binary_crossentropy binary_focal_crossentropy bincount bitwise_and bitwise_invert bitwise_left_shift bitwise_not
    bitwise_or bitwise_right_shift bitwise_xor blackman broadcast_to cast categorical_accuracy
    categorical_crossentropy categorical_focal_crossentropy categorical_generalized_cross_entropy categorical_hinge
    cbrt cdist ceil celu cholesky cholesky_inverse circle clip concatenate concordance_correlation conj conjugate
    conv conv_transpose copy corrcoef correlate cos cosh cosine cosine_proximity cosine_similarity count_nonzero
    crop_images cross ctc ctc_loss cumprod cumsum deg2rad depth_to_space depthwise_conv det diag diagflat diagonal
    dice diff digitize divide divide_no_nan dot dot_product_attention dsplit dstack eig eigh einsum
    elastic_transform elu empty empty_like equal erf erfc erfinv exp exp2 expand_dims expm1 exponential
    extract_patches extract_patches_3d extract_sequences eye fabs fft fft2 flip fliplr flipud floor floor_divide
    fmax fmin fmod fold full full_like gaussian_blur gcd gelu geomspace get_item glu greater greater_equal hamming
    hanning hard_shrink hard_sigmoid hard_silu hard_tanh heaviside hinge histogram hsplit hstack hsv_to_rgb huber
    hypot i0 identity ifft2 imag in_top_k inner inv irfft isclose isfinite isin isinf isnan isneginf isposinf isreal
    istft kaiser kl_divergence kld kron kullback_leibler_divergence layer_normalization lcm ldexp leaky_relu
    left_shift less less_equal linear linspace log log10 log1p log2 log_cosh log_sigmoid log_softmax logaddexp
    logaddexp2 logcosh logdet logical_and logical_not logical_or logical_xor logspace logsumexp lstsq lu_factor mae
    map_coordinates mape matmul matrix_rank max max_pool maximum mean mean_absolute_error
    mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error median meshgrid min minimum
    mish mod moments moveaxis mse msle multi_hot multiply nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax
    nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar ndim negative nextafter nonzero
    norm normalize not_equal one_hot ones ones_like outer pad pad_images pearson_correlation percentile
    perspective_transform pinv poisson polar power prod psnr ptp qr quantile rad2deg ravel real rearrange reciprocal
    relu relu6 repeat reshape resize rfft rgb_to_grayscale rgb_to_hsv right_shift rms_normalization roll rot90 round
    rsqrt saturate_cast scale_and_translate scatter scatter_update searchsorted segment_max segment_min segment_prod
    segment_sum select selu separable_conv shape sigmoid sign signbit silu sin sinc sinh size slice slice_update
    slogdet sobel_edges soft_shrink softmax softplus softsign solve solve_triangular sort space_to_depth
    sparse_categorical_accuracy sparse_categorical_crossentropy sparse_plus sparse_sigmoid
    sparse_top_k_categorical_accuracy sparsemax split sqrt square squared_hinge squareplus squeeze ssim stack std
    stft subtract sum svd swapaxes swish take take_along_axis tan tanh tanh_shrink tensordot threshold tile top_k
    top_k_categorical_accuracy trace transpose trapezoid tri tril triu true_divide trunc tversky unfold unique
    unravel_index unstack vander var vdot view view_as_complex view_as_real vsplit vstack where zeros zeros_like
    """.split()
)
# Plain strings for initializers, regularizers, constraints and activations that are no class or function of that name.
_ALIASES = frozenset(
    """
    IdentityInitializer OrthogonalInitializer STFTInitializer constraint hard_swish l1_l2 l1l2 maxnorm nonneg
    regularizer stft unitnorm
    """.split()
)
IDENTIFIERS = LAYERS | PARTS | FUNCTIONS | _ALIASES
