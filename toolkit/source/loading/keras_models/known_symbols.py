"""The functions of TensorFlow that a configuration of Keras may call as layers, by their public names.

They are read from TensorFlow 2.21.0 (tensorflow.python.util.tf_export). A function is left out if it takes a function (map_fn), reaches for files or
the network, prints, or changes settings of the process.
"""

from __future__ import annotations

# By module, as TFOpLambda names them; each is known under compat.v1 too.
_SYMBOLS = {
    "": """
    abs acos acosh add add_n approx_top_k argmax argmin argsort asin asinh atan atan2 atanh batch_to_space
    batch_to_space_nd betainc bincount bitcast boolean_mask broadcast_dynamic_shape broadcast_static_shape
    broadcast_to cast ceil check_numerics clip_by_global_norm clip_by_norm clip_by_value complex concat
    confusion_matrix conj constant convert_to_tensor cos cosh count_nonzero cross cumprod cumsum depth_to_space
    dequantize diag diag_part digamma div div_no_nan divide dynamic_partition dynamic_stitch edit_distance eig
    eigvals einsum ensure_shape equal erf erfc exp expand_dims expm1 extract_image_patches extract_volume_patches
    eye fake_quant_with_min_max_args fake_quant_with_min_max_vars fake_quant_with_min_max_vars_per_channel fft fft2d
    fft3d fftnd fill floor floor_div floordiv floormod gather gather_nd greater greater_equal guarantee_const
    histogram_fixed_width histogram_fixed_width_bins identity identity_n ifft ifft2d ifft3d ifftnd igamma igammac
    imag invert_permutation irfftnd is_finite is_inf is_nan lbeta less less_equal lgamma lin_space linspace log
    log1p log_sigmoid logical_and logical_not logical_or logical_xor matmul matrix_band_part matrix_determinant
    matrix_diag matrix_diag_part matrix_inverse matrix_set_diag matrix_solve matrix_square_root matrix_transpose
    matrix_triangular_solve maximum meshgrid minimum mod multiply negative norm not_equal one_hot ones ones_like pad
    parallel_stack polygamma pow qr quantize quantize_v2 random_gamma random_normal random_poisson random_shuffle
    random_uniform range rank real realdiv reciprocal reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean
    reduce_min reduce_prod reduce_sum repeat required_space_to_batch_paddings reshape reverse reverse_sequence
    reverse_v2 rfftnd rint roll round rsqrt saturate_cast scalar_mul scatter_nd searchsorted segment_max
    segment_mean segment_min segment_prod segment_sum self_adjoint_eig self_adjoint_eigvals sequence_mask setdiff1d
    shape shape_n sigmoid sign sin sinh size slice sort space_to_batch space_to_batch_nd space_to_depth
    sparse_to_dense split sqrt square squared_difference squeeze stack stop_gradient strided_slice subtract svd tan
    tanh tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub
    tensor_scatter_nd_update tensordot tile to_bfloat16 to_double to_float to_int32 to_int64 trace transpose truediv
    truncated_normal truncatediv truncatemod tuple unique unique_with_counts unravel_index unsorted_segment_max
    unsorted_segment_mean unsorted_segment_min unsorted_segment_prod unsorted_segment_sqrt_n unsorted_segment_sum
    unstack where zeros zeros_like zeta
    """,
    "__operators__": """
    add eq getitem ne ragged_getitem
    """,
    "bitwise": """
    bitwise_and bitwise_or bitwise_xor invert left_shift right_shift
    """,
    "debugging": """
    assert_all_finite check_numerics
    """,
    "dtypes": """
    as_string cast complex saturate_cast
    """,
    "experimental.numpy": """
    abs absolute add all allclose amax amin angle any append arange arccos arccosh arcsin arcsinh arctan arctan2
    arctanh argmax argmin argsort around array array_equal asanyarray asarray ascontiguousarray atleast_1d
    atleast_2d atleast_3d average bitwise_and bitwise_not bitwise_or bitwise_xor broadcast_arrays broadcast_to cbrt
    ceil clip compress concatenate conj conjugate copy cos cosh count_nonzero cross cumprod cumsum deg2rad diag
    diag_indices diagflat diagonal diff divide divmod dot dsplit dstack einsum empty empty_like equal exp exp2
    expand_dims expm1 eye fabs fix flatten flip fliplr flipud float_power floor floor_divide full full_like gcd
    geomspace greater greater_equal heaviside hsplit hstack hypot identity imag inner isclose iscomplex iscomplexobj
    isfinite isinf isnan isneginf isposinf isreal isrealobj isscalar ix_ kron lcm less less_equal linspace log log10
    log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logspace matmul max maximum mean
    meshgrid min minimum mod moveaxis multiply nanmean nanprod nansum ndim negative nextafter nonzero not_equal ones
    ones_like outer pad polyval positive power prod ptp rad2deg ravel real reciprocal remainder repeat reshape roll
    rot90 round select shape sign signbit sin sinc sinh size sort split sqrt square squeeze stack std subtract sum
    swapaxes take take_along_axis tan tanh tensordot tile trace transpose tri tril triu true_divide vander var vdot
    vsplit vstack where zeros zeros_like
    """,
    "image": """
    adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation central_crop
    combined_non_max_suppression convert_image_dtype crop_and_resize crop_to_bounding_box draw_bounding_boxes
    extract_glimpse extract_image_patches extract_patches flip_left_right flip_up_down
    generate_bounding_box_proposals grayscale_to_rgb hsv_to_rgb image_gradients non_max_suppression
    non_max_suppression_overlaps non_max_suppression_padded non_max_suppression_with_scores pad_to_bounding_box
    per_image_standardization psnr random_brightness random_contrast random_crop random_flip_left_right
    random_flip_up_down random_hue random_saturation resize resize_area resize_bicubic resize_bilinear
    resize_image_with_crop_or_pad resize_image_with_pad resize_images resize_nearest_neighbor
    resize_with_crop_or_pad resize_with_pad rgb_to_grayscale rgb_to_hsv rgb_to_yiq rgb_to_yuv rot90
    sample_distorted_bounding_box sobel_edges ssim ssim_multiscale stateless_random_brightness
    stateless_random_contrast stateless_random_crop stateless_random_flip_left_right stateless_random_flip_up_down
    stateless_random_hue stateless_random_saturation stateless_sample_distorted_bounding_box total_variation
    transpose transpose_image yiq_to_rgb yuv_to_rgb
    """,
    "keras.activations": """
    elu exponential gelu hard_sigmoid linear mish relu selu sigmoid softmax softplus softsign swish tanh
    """,
    "keras.backend": """
    abs all any arange argmax argmin batch_dot batch_flatten batch_normalization bias_add binary_crossentropy cast
    cast_to_floatx clip concatenate constant conv1d conv2d conv2d_transpose conv3d cos cumprod cumsum
    depthwise_conv2d dot elu equal exp expand_dims eye flatten gather greater greater_equal hard_sigmoid int_shape
    l2_normalize less less_equal local_conv1d local_conv2d log max maximum mean min minimum ndim not_equal one_hot
    ones_like permute_dimensions pool2d pool3d pow prod relu repeat repeat_elements reshape resize_images
    resize_volumes reverse round separable_conv2d shape sigmoid sign sin softmax softplus softsign
    spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum tanh temporal_padding tile
    transpose var zeros_like
    """,
    "linalg": """
    adjoint band_part banded_triangular_solve cholesky cholesky_solve cross det diag diag_part eig eigh
    eigh_tridiagonal eigvals eigvalsh einsum expm eye global_norm inv l2_normalize logdet logm lstsq lu
    lu_matrix_inverse lu_reconstruct lu_solve matmul matrix_rank matrix_transpose matvec norm normalize pinv qr
    set_diag slogdet solve sqrtm svd tensor_diag tensor_diag_part tensordot trace transpose triangular_solve
    tridiagonal_matmul tridiagonal_solve
    """,
    "math": """
    abs accumulate_n acos acosh add add_n angle approx_max_k approx_min_k argmax argmin asin asinh atan atan2 atanh
    bessel_i0 bessel_i0e bessel_i1 bessel_i1e betainc bincount ceil confusion_matrix conj cos cosh count_nonzero
    cumprod cumsum cumulative_logsumexp digamma divide divide_no_nan equal erf erfc erfcinv erfinv exp expm1 floor
    floordiv floormod greater greater_equal igamma igammac imag in_top_k invert_permutation is_finite is_inf is_nan
    is_non_decreasing is_strictly_increasing l2_normalize lbeta less less_equal lgamma log log1p log_sigmoid
    log_softmax logical_and logical_not logical_or logical_xor maximum minimum mod multiply multiply_no_nan ndtri
    negative nextafter not_equal polygamma polyval pow real reciprocal reciprocal_no_nan reduce_all reduce_any
    reduce_euclidean_norm reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum
    reduce_variance rint round rsqrt scalar_mul segment_max segment_mean segment_min segment_prod segment_sum
    sigmoid sign sin sinh sobol_sample softmax softplus softsign sqrt square squared_difference subtract tan tanh
    top_k truediv unsorted_segment_max unsorted_segment_mean unsorted_segment_min unsorted_segment_prod
    unsorted_segment_sqrt_n unsorted_segment_sum xdivy xlog1py xlogy zero_fraction zeta
    """,
    "math.special": """
    bessel_i0 bessel_i0e bessel_i1 bessel_i1e bessel_j0 bessel_j1 bessel_k0 bessel_k0e bessel_k1 bessel_k1e
    bessel_y0 bessel_y1 dawsn expint fresnel_cos fresnel_sin spence
    """,
    "nn": """
    all_candidate_sampler approx_max_k approx_min_k atrous_conv2d atrous_conv2d_transpose avg_pool avg_pool1d
    avg_pool2d avg_pool3d avg_pool_v2 batch_norm_with_global_normalization batch_normalization bias_add
    collapse_repeated compute_accidental_hits conv1d conv1d_transpose conv2d conv2d_backprop_filter
    conv2d_backprop_input conv2d_transpose conv3d conv3d_backprop_filter conv3d_backprop_filter_v2 conv3d_transpose
    conv_transpose convolution crelu ctc_beam_search_decoder ctc_greedy_decoder ctc_loss ctc_loss_v2
    ctc_unique_labels depth_to_space depthwise_conv2d depthwise_conv2d_backprop_filter
    depthwise_conv2d_backprop_input depthwise_conv2d_native depthwise_conv2d_native_backprop_filter
    depthwise_conv2d_native_backprop_input dilation2d dropout elu embedding_lookup embedding_lookup_sparse erosion2d
    fractional_avg_pool fractional_max_pool fused_batch_norm gelu in_top_k isotonic_regression l2_loss l2_normalize
    leaky_relu learned_unigram_candidate_sampler local_response_normalization log_poisson_loss log_softmax
    log_uniform_candidate_sampler lrn max_pool max_pool1d max_pool2d max_pool3d max_pool_v2 max_pool_with_argmax
    moments nce_loss normalize_moments pool quantized_avg_pool quantized_conv2d quantized_max_pool quantized_relu_x
    relu relu6 relu_layer safe_embedding_lookup_sparse sampled_softmax_loss selu separable_conv2d sigmoid
    sigmoid_cross_entropy_with_logits silu softmax softmax_cross_entropy_with_logits
    softmax_cross_entropy_with_logits_v2 softplus softsign space_to_batch space_to_depth
    sparse_softmax_cross_entropy_with_logits sufficient_statistics swish tanh top_k uniform_candidate_sampler
    weighted_cross_entropy_with_logits weighted_moments xw_plus_b zero_fraction
    """,
    "nn.experimental": """
    stateless_dropout
    """,
    "quantization": """
    dequantize fake_quant_with_min_max_args fake_quant_with_min_max_args_gradient fake_quant_with_min_max_vars
    fake_quant_with_min_max_vars_gradient fake_quant_with_min_max_vars_per_channel
    fake_quant_with_min_max_vars_per_channel_gradient quantize quantize_and_dequantize quantize_and_dequantize_v2
    quantized_concat
    """,
    "random": """
    all_candidate_sampler categorical fold_in gamma learned_unigram_candidate_sampler log_uniform_candidate_sampler
    multinomial normal poisson shuffle split stateless_binomial stateless_categorical stateless_gamma
    stateless_multinomial stateless_normal stateless_parameterized_truncated_normal stateless_poisson
    stateless_truncated_normal stateless_uniform truncated_normal uniform uniform_candidate_sampler
    """,
    "signal": """
    dct fft fft2d fft3d fftnd fftshift frame hamming_window hann_window idct ifft ifft2d ifft3d ifftnd ifftshift
    inverse_mdct inverse_stft irfft irfft2d irfft3d irfftnd kaiser_bessel_derived_window kaiser_window
    linear_to_mel_weight_matrix mdct mfccs_from_log_mel_spectrograms overlap_and_add rfft rfft2d rfft3d rfftnd stft
    vorbis_window
    """,
    "sparse": """
    add bincount concat cross cross_hashed expand_dims eye fill_empty_rows from_dense mask matmul maximum merge
    minimum reduce_max reduce_max_sparse reduce_sum reduce_sum_sparse reorder reset_shape reshape retain
    sampled_addmm segment_mean segment_sqrt_n segment_sum slice softmax sparse_dense_matmul split to_dense
    to_indicator transpose
    """,
}

SYMBOLS = frozenset(
    f"{version}{module}{'.' if module else ''}{name}"
    for version in ("", "compat.v1.")
    for module, names in _SYMBOLS.items()
    for name in names.split()
)
